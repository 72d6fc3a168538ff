"""Refuse folders that cannot be written before anything is computed."""

import tempfile
from pathlib import Path

from ..io.write_errors import reporting_unwritable


def make_writable(*folders: str, remedy: str = "pass another --output_dir or --ckpt_dir") -> None:
    """Create the folders and prove that files can be written into them.

    Raises:
        InputError: naming the folder, the reason and the remedy.
    """
    for folder in folders:
        with reporting_unwritable(folder, remedy):
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
