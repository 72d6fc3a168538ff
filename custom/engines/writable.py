"""Find out that results cannot be written before they are computed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..errors import InputError


def make_writable(*folders: str) -> None:
    """Create the folders and prove that files can be written into them.

    Raises:
        InputError: naming the folder and the reason.
    """
    for folder in folders:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InputError(
                f"{folder} cannot be written ({error.strerror}): pass another --output_dir or --ckpt_dir"
            ) from error
