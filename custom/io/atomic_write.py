"""Files appear whole or not at all: written to a temporary file, then renamed."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY_PREFIX = ".tmp_"
LONGEST_ENDING = 16  # letters of a name that a temporary file ends with: a name as long as may be leaves no more room


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path in the folder of `path` (same ending); it becomes `path` when the block ends without error.

    Folders are made as needed. Who may read the file is as the system's umask says for any new file: label maps are
    patients' data. On an error the temporary file is removed and `path` is as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}_{target.name[-LONGEST_ENDING:]}")
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_text(path: str | Path, content: str) -> None:
    """Write `content` as UTF-8 text, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
