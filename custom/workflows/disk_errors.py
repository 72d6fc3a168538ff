"""A full or read-only disk is reported as a one-line `InputError`, not a traceback."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import InputError, causes_of, find_input_error, input_error_message

NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
SAID = re.compile(r".+ cannot be written \(.+\)(?=[:;])")  # an `InputError` that says so already, without its remedy
IN_TEXT = re.compile(r"\[Errno (?P<number>\d+)\] (?P<words>[^:\n]*)(: '(?P<file>[^'\n]*)')?")
WORK_FOLDER = "the work folder"
REMEDY = "free space or pass another --work_dir, then run the same command again; what is finished is kept"


def disk_trouble(error: BaseException | None) -> str | None:
    """What the system said about a full or read-only disk, anywhere in an exception's causes, or None.

    Of errors in data-loading processes and in writers called by MONAI only the text comes back.
    """
    known = find_input_error(error)
    said = SAID.match(input_error_message(known)) if known is not None else None
    if said is not None:
        return said[0]
    causes = causes_of(error)
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in NUMBERS:
            return f"{cause.filename or WORK_FOLDER} cannot be written ({cause.strerror})"
    for found in (found for cause in causes for found in IN_TEXT.finditer(str(cause))):
        if int(found["number"]) in NUMBERS:
            return f"{found['file'] or WORK_FOLDER} cannot be written ({found['words']})"
    if any("No space left on device" in str(cause) or "file write failed" in str(cause) for cause in causes):
        return f"{WORK_FOLDER} cannot be written (is the disk full?)"  # torch's writer gives no number
    return None


@contextmanager
def reporting_disk_trouble() -> Iterator[None]:
    """Turn a full or read-only disk into an `InputError`; other exceptions pass."""
    try:
        yield
    except Exception as error:
        trouble = disk_trouble(error)
        if trouble is None or isinstance(error, InputError):
            raise
        raise InputError(f"{trouble}: {REMEDY}") from error
