"""A full or read-only disk, or another limit of the system, as one line with what helps in a work folder."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import InputError, causes_of, find_input_error, input_error_message
from ..system_trouble import SAID, first_trouble

WORK_FOLDER = "the work folder"
ELSEWHERE = "pass another --work_dir, then run the same command again; what is finished is kept"


def disk_trouble(error: BaseException | None) -> InputError | None:
    """What the system refused, anywhere in an exception's causes, or None."""
    known = find_input_error(error)
    causes = causes_of(error) if known is None else [InputError(input_error_message(known))]
    trouble = first_trouble(causes, ELSEWHERE)
    if trouble is not None:
        return InputError(trouble.line(WORK_FOLDER))
    said = SAID.match(str(causes[0])) if known is not None else None  # of a writer that has words of its own
    return None if said is None else InputError(f"{said[0]}: free space or {ELSEWHERE}")


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
