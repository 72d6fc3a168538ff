"""Folders that appear whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..io.atomic_write import TEMPORARY_PREFIX


def write_folder(target: Path, files: Mapping[str, bytes], replace: bool = False) -> None:
    """Write path -> content below a folder, which appears whole or not at all.

    Args:
        target: the folder; the one it lies in is there.
        files: path in the folder -> content.
        replace: an earlier folder goes, with all that is in it; otherwise there must be none.

    Raises:
        OSError: there is one, or the files cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=TEMPORARY_PREFIX) as scratch:
        whole = Path(scratch) / target.name
        for path, content in files.items():
            file = whole / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        if replace and target.exists():
            target.rename(Path(scratch) / "earlier")
        whole.rename(target)
