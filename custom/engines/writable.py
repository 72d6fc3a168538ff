"""Find out that results cannot be written before they are computed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..errors import InputError


def make_writable(*folders: str, remedy: str = "pass another --output_dir or --ckpt_dir") -> None:
    """Create the folders and prove that files can be written into them.

    Raises:
        InputError: naming the folder, the reason and the remedy.
    """
    for folder in folders:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InputError(f"{folder} cannot be written ({error.strerror}): {remedy}") from error
