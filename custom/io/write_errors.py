"""A result that cannot be written is one line for the user, also through MONAI's `SaveImage`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from monai.config import PathLike

from ..errors import InputError

REASON = "Reason: "  # with which ITK begins what the system said


@contextmanager
def telling_unwritable(file: PathLike) -> Iterator[None]:
    """Turn what libraries raise where a file cannot be written into an `InputError` that names it.

    `SaveImage` keeps nothing of a writer's exception but its text, and asks to install other writers. Of an
    `InputError` the text is enough.

    Args:
        file: what is written, as the user knows it.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # the latter is SimpleITK's
        said = getattr(error, "strerror", None) or (str(error).strip() or repr(error)).splitlines()[-1]
        reason = said.removeprefix(REASON)
        raise InputError(f"{file} cannot be written ({reason}): free space or pass another --output_dir") from error
