"""A file that cannot be written, as one line: which file, why, and what helps."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from monai.config import PathLike

from ..errors import InputError

REMEDIES = {
    errno.ENOSPC: "free space or {elsewhere}",
    errno.EDQUOT: "free space of your quota or {elsewhere}",
    errno.EFBIG: "free space or {elsewhere}",
    errno.EROFS: "{elsewhere}",
    errno.EACCES: "correct the permissions or {elsewhere}",
    errno.EPERM: "correct the permissions or {elsewhere}",
    errno.ENAMETOOLONG: "shorten the name of the scan or of the folder",
    errno.EMFILE: "raise the limit of open files (ulimit -n) or lower num_workers",
    errno.ENFILE: "close other programs or lower num_workers",
}
FULL_SHARED_MEMORY = "enlarge it (docker run --shm-size) or pass --num_workers 0"
ERROR_NUMBER = re.compile(r"\[Errno (?P<number>\d+)\] (?P<words>[^:\n]*)(: '(?P<file>[^'\n]*)')?")
SHARED_MEMORY = re.compile(r"/dev/shm|shared memory|</torch_")  # as PyTorch's processes exchange tensors
CUT_SHORT = re.compile(r"file write failed|requested and \d+ written")  # torch's and numpy's writers give no number
REASON = "Reason: "  # with which ITK begins what the system said


class WriteProblem(NamedTuple):
    """Why the system refused to write: its error number, the file if it is named, its words, and what helps."""

    number: int
    file: str
    reason: str
    remedy: str


def write_problem(error: BaseException, elsewhere: str) -> WriteProblem | None:
    """What is wrong with the disk, the permissions or the limits of the system; None for any other error.

    Of errors in data-loading processes and in writers called by MONAI only the text comes back, so that is read too.

    Args:
        error: its causes are not examined.
        elsewhere: how to name another place, such as "pass another --output_dir".
    """
    number, file, words = (getattr(error, name, None) for name in ("errno", "filename", "strerror"))
    text = str(error)
    if number is None:
        found = next((one for one in ERROR_NUMBER.finditer(text) if int(one["number"]) in REMEDIES), None)
        if found is not None:
            number, file, words = int(found["number"]), found["file"], found["words"]
        elif CUT_SHORT.search(text):
            number, words = errno.ENOSPC, "is the disk full?"
        else:
            number = next((one for one in REMEDIES if os.strerror(one) in text), None)
    if SHARED_MEMORY.search(f"{file} {text}") and (number == errno.ENOSPC or "Bus error" in text):
        return WriteProblem(errno.ENOSPC, "/dev/shm", "the shared memory is full", FULL_SHARED_MEMORY)
    if number not in REMEDIES:
        return None
    return WriteProblem(
        number, str(file or ""), words or os.strerror(number), REMEDIES[number].format(elsewhere=elsewhere)
    )


def unwritable(error: Exception, file: PathLike, elsewhere: str) -> InputError:
    """The line for a user, see `reporting_unwritable`."""
    problem = write_problem(error, elsewhere)
    if problem is not None:
        reason, remedy = problem.reason, problem.remedy
    elif isinstance(error, OSError) and error.errno is not None:
        reason, remedy = str(error.strerror), elsewhere
    else:
        reason, remedy = (str(error).strip() or repr(error)).splitlines()[-1], f"free space or {elsewhere}"
    return InputError(f"{file} cannot be written ({reason.removeprefix(REASON)}): {remedy}")


@contextmanager
def reporting_unwritable(file: PathLike, elsewhere: str = "pass another --output_dir") -> Iterator[None]:
    """Turn what is raised where a file cannot be written into an `InputError` that names it.

    `SaveImage` keeps nothing of a writer's exception but its text, and asks to install other writers. Of an
    `InputError` the text is enough.

    Args:
        file: what is written, as the user knows it.
        elsewhere: how to name another place.

    Raises:
        InputError: in place of an `OSError`, or of SimpleITK's and PyTorch's `RuntimeError`.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise unwritable(error, file, elsewhere) from error
