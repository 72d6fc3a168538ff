"""Zip archives that are equal byte for byte whenever their contents are, and folders that appear whole."""

import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ..io.atomic_write import TEMPORARY_PREFIX, replacing

EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest time that the format knows
READABLE_FILE = 0o100644 << 16
UNIX = 3


def write_archive(file: Path, contents: Mapping[str, bytes]) -> None:
    """Write path in the archive -> content, atomically; sorted, with one fixed time and permission for all.

    Contents are stored, not deflated: deflate gives other bytes with other versions of zlib, and what is large in a
    bundle, its weights, hardly shrinks.
    """
    with replacing(file) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.create_system = UNIX
            entry.external_attr = READABLE_FILE
            archive.writestr(entry, contents[name])


def write_folder(target: Path, files: Mapping[str, bytes], replace: bool = False) -> None:
    """Write path -> content below a folder, which appears whole or not at all; the one it lies in is there.

    With `replace` an earlier folder goes, with all that is in it; otherwise there must be none, else an OSError.
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
