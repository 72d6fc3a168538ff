"""Files appear whole or not at all: written to a temporary file, then renamed."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY_PREFIX = ".tmp_"
LONGEST_END = 100  # bytes of a name that its temporary one keeps: a file name has 255


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`; it becomes `path` when the block ends without error.

    The name ends in the same way. Folders are made as needed. Who may read the file is as the system's umask says for
    any new file: label maps are patients' data. On an error the temporary file is removed and `path` is as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    end = os.fsencode(target.name)[-LONGEST_END:].decode("utf-8", "ignore")
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}_{end}")
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
