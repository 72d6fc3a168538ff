"""A disk that takes no more is one line for the user, not a traceback."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import InputError, causes_of

NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
REMEDY = "free space or pass another --work_dir, then run the same command again; what is finished is kept"


def disk_trouble(error: BaseException | None) -> str | None:
    """What the system said about a disk that takes no more, anywhere in an exception's causes, or None."""
    causes = causes_of(error)
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in NUMBERS:
            return f"{cause.filename or 'the work folder'} cannot be written ({cause.strerror})"
    texts = [str(cause) for cause in causes]
    if any("No space left on device" in text or "file write failed" in text for text in texts):
        return "the work folder cannot be written (is the disk full?)"  # torch's writer gives no number
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
