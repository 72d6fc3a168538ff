"""A full or read-only disk, or another limit of the system, as one line with what helps in a work folder."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import InputError, causes_of, find_input_error, input_error_message
from ..system_trouble import first_trouble

WORK_FOLDER = "the work folder"
ELSEWHERE = "pass another --work_dir, then run the same command again; what is finished is kept"


def disk_trouble(error: BaseException | None) -> InputError | None:
    """What the system refused, anywhere in an exception's causes, or None."""
    known = find_input_error(error)
    causes = causes_of(error) if known is None else [InputError(input_error_message(known))]
    trouble = first_trouble(causes, ELSEWHERE)
    return None if trouble is None else InputError(trouble.line(WORK_FOLDER))


@contextmanager
def reporting_disk_trouble() -> Iterator[None]:
    """Turn a full or read-only disk into an `InputError`; other exceptions pass."""
    try:
        yield
    except Exception as error:
        trouble = disk_trouble(error)
        if trouble is None or isinstance(error, InputError):
            raise
        raise trouble from error
