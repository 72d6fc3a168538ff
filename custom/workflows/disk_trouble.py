"""A disk that takes no more is one line for the user, not a traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import InputError

NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
REMEDY = "free space or pass another --work_dir, then run the same command again; what is finished is kept"


def disk_trouble(error: BaseException | None) -> str | None:
    """What the system said about a disk that takes no more, anywhere in an exception's causes, or None."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:  # a cause that is raised again has what it caused as its context
        if isinstance(error, OSError) and error.errno in NUMBERS:
            return f"{error.filename or 'the work folder'} cannot be written ({error.strerror})"
        if "No space left on device" in str(error) or "file write failed" in str(error):  # torch's writer has no number
            return "the work folder cannot be written (is the disk full?)"
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def telling_disk_trouble() -> Iterator[None]:
    """Turn a full or read-only disk into an `InputError`; other exceptions pass."""
    try:
        yield
    except Exception as error:
        trouble = disk_trouble(error)
        if trouble is None or isinstance(error, InputError):
            raise
        raise InputError(f"{trouble}: {REMEDY}") from error
