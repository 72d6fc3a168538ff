"""A file that cannot be written, as one line: which file, why, and what helps."""

from collections.abc import Iterator
from contextlib import contextmanager

from monai.config import PathLike

from ..errors import InputError, causes_of
from ..system_trouble import first_trouble

REASON = "Reason: "  # with which ITK begins what the system said


def unwritable(error: Exception, file: PathLike, elsewhere: str) -> InputError:
    """The line for a user, see `reporting_unwritable`."""
    problem = first_trouble(causes_of(error), elsewhere)  # torch's writer raises another error after the system's
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

    Raises InputError: in place of an `OSError`, or of SimpleITK's and PyTorch's `RuntimeError`.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise unwritable(error, file, elsewhere) from error
