"""Refuse folders that cannot be written before anything is computed."""

import tempfile
from pathlib import Path

from ..errors import InputError
from ..io.image_formats import ending_of
from ..io.write_errors import reporting_unwritable


def make_writable(*folders: str, remedy: str = "pass another --output_dir or --ckpt_dir") -> None:
    """Create the folders and prove that files can be written into them.

    Raises InputError: naming the folder, the reason and the remedy; also of a new one that is named like a scan, which
    is meant as the file of a label map.
    """
    for folder in folders:
        if ending_of(folder) and not Path(folder).exists():
            raise InputError(
                f"{folder} would be a folder, and is named like a scan: {remedy} (files get their own names)"
            )
        with reporting_unwritable(folder, remedy):
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
