"""What the system refused - a full or read-only disk, full shared memory, too few file handles - and what helps."""

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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
HANDLES = (errno.EMFILE, errno.ENFILE)
PERMISSIONS = (errno.EACCES, errno.EPERM)
SHARED = "the shared memory"
FULL_SHARED_MEMORY = "enlarge it (docker run --shm-size) or set num_workers to 0"
ERROR_NUMBER = re.compile(r"\[Errno (?P<number>\d+)\] (?P<words>[^:\n]*)(: '(?P<file>[^'\n]*)')?")
SHARED_MEMORY = re.compile(r"/dev/shm|shared memory|</torch_")  # as PyTorch's processes exchange tensors
CUT_SHORT = re.compile(
    r"file write failed|unexpected pos \d+|requested and \d+ written"
)  # torch's and numpy's writers give no number
NO_HANDLE = re.compile(r"items of ancdata")  # what a process says that got no handle from another
SAID = re.compile(r"(?P<file>.+) cannot be written \((?P<words>.+?)\)(?=[:;])")  # one of our own lines


class SystemTrouble(NamedTuple):
    """Why the system refused: its error number, the file if it is named, its words, and what helps."""

    number: int
    file: str
    reason: str
    remedy: str

    def line(self, place: str = "the disk") -> str:
        """The line for a user; `place` is named where the file is not known."""
        if self.number in HANDLES:
            return f"{self.reason}{f' ({self.file})' if self.file else ''}: {self.remedy}"
        if self.number in PERMISSIONS:  # of reading, too
            return f"{self.file or place}: {self.reason}: {self.remedy}"
        return f"{self.file or place} cannot be written ({self.reason}): {self.remedy}"


def system_trouble(error: BaseException, elsewhere: str) -> SystemTrouble | None:
    """What is wrong with the disk, the permissions or the limits of the system; None for any other error.

    Of errors in data-loading processes and in writers called by MONAI only the text comes back, so that is read too.

    Args:
        error: its causes are not examined.
        elsewhere: how to name another place, such as "pass another --output_dir".
    """
    number, file, words = (getattr(error, name, None) for name in ("errno", "filename", "strerror"))
    text = str(error)
    if number is None:
        number, file, words = _in_text(text)
    shared = SHARED_MEMORY.search(f"{file} {text}") or (file is None and _is_of_multiprocessing(error))
    if shared and (number == errno.ENOSPC or "Bus error" in text):
        return SystemTrouble(errno.ENOSPC, "/dev/shm", f"{SHARED} is full", FULL_SHARED_MEMORY)
    if number not in REMEDIES:
        return None
    return SystemTrouble(
        number, str(file or ""), words or os.strerror(number), REMEDIES[number].format(elsewhere=elsewhere)
    )


def first_trouble(causes: Sequence[BaseException], elsewhere: str) -> SystemTrouble | None:
    """The first trouble among an exception and its causes, those with a number of the system before mere texts."""
    numbered = [one for one in causes if isinstance(one, OSError) and one.errno is not None]
    found = (system_trouble(one, elsewhere) for one in [*numbered, *causes])
    return next((trouble for trouble in found if trouble is not None), None)


def _is_of_multiprocessing(error: BaseException) -> bool:
    """Whether Python's own exchange between processes failed, such as a semaphore, which lies in shared memory."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and "multiprocessing" in Path(trace.tb_frame.f_code.co_filename).parts


def _in_text(text: str) -> tuple[int | None, str | None, str | None]:
    """Number, file and words of an error of which only the text is left."""
    found = next((one for one in ERROR_NUMBER.finditer(text) if int(one["number"]) in REMEDIES), None)
    if found is not None:
        return int(found["number"]), found["file"], found["words"]
    said = SAID.match(text)
    number = next((one for one in REMEDIES if os.strerror(one) in text), None)
    if said is not None and number is not None:
        return number, said["file"], said["words"]
    if CUT_SHORT.search(text):
        return errno.ENOSPC, None, "is the disk full?"
    return (errno.EMFILE if NO_HANDLE.search(text) else number), None, None
