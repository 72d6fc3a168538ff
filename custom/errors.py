"""The one exception a user is meant to read, and how it reaches the terminal as one line."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from types import TracebackType

from .quiet_libraries import quiet_libraries
from .system_trouble import first_trouble


class InputError(ValueError):
    """Something the user gave cannot be used: a file, a value, a folder, a key.

    The message is one line that names what (file, key), what is wrong with it (shape, value) and the remedy; where
    several files are bad, that line and one for each further file.
    """


class ScansLeftOutError(InputError):
    """A run has ended whose results lack some scans: "27 of 30 labelled, 3 left out: a, b, c"."""


LISTED_FAULTS = 10
LEFT_OUT_STATUS = 3  # exit status of such a run
ELSEWHERE = "choose another folder, then run the same command again"
MARKER = f"{InputError.__name__}: "
MISSING_PACKAGE = "OptionalImportError"  # MONAI's, by name: importing MONAI takes seconds


def listed_faults(heading: str, faults: Sequence[str]) -> InputError:
    """An error of one line for each fault, the first behind the heading; of more than ten the rest is counted."""
    hidden = len(faults) - LISTED_FAULTS
    rest = [*faults[1:LISTED_FAULTS], *([f"and {hidden} more like these"] if hidden > 0 else [])]
    return InputError("\n  ".join([f"{heading}: {faults[0]}", *rest]))


def show_input_errors_in_one_line() -> None:
    """Let an uncaught `InputError` end the program with its own line instead of pages of traceback.

    A config run wraps exceptions several times (`RuntimeError: Failed to evaluate ...`); only the innermost line
    helps a user. So does what the system refused, such as a full disk. A run that left scans out ends with the status
    3, one that Ctrl-C ends with a line, too. Any other exception keeps its whole traceback. Warnings of libraries that
    nobody can act on are left out, see `quiet_libraries`.
    """
    quiet_libraries()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            with suppress(OSError):  # of a stream that another program made
                stream.reconfigure(errors="backslashreplace")  # of a file name that is no UTF-8, or in a C locale
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        line, cause = one_line(error), find_input_error(error)
        if issubclass(kind, KeyboardInterrupt):  # Ctrl-C is no fault; Python ends with its status
            print("interrupted: what is finished is kept", file=sys.stderr)
        elif line is None:
            previous(kind, error, trace)
        elif isinstance(cause, ScansLeftOutError):
            print(cause, file=sys.stderr)
            raise SystemExit(LEFT_OUT_STATUS)
        else:
            print(f"error: {line}", file=sys.stderr)

    sys.excepthook = hook


def one_line(error: BaseException) -> str | None:
    """What a user has to read of an exception: what is wrong with the input, or what the system refused; else None."""
    known = find_input_error(error)
    if known is not None:
        return input_error_message(known)
    trouble = first_trouble(causes_of(error), ELSEWHERE)
    return None if trouble is None else trouble.line()


def find_input_error(error: BaseException | None) -> InputError | None:
    """The `InputError` an exception was raised from, directly or through others, or None.

    A package that MONAI misses, such as mlflow for `--tracking mlflow`, is one, too.
    """
    for cause in causes_of(error):
        if isinstance(cause, InputError):
            return cause
        if type(cause).__name__ == MISSING_PACKAGE:
            return InputError(str(cause).strip().splitlines()[0])
        if MARKER in str(cause):  # raised in a data-loading process, of which only the text comes back
            return InputError(str(cause))
    return None


def causes_of(error: BaseException | None) -> list[BaseException]:
    """An exception, what it was raised from, and so on; each once: one that is raised again closes a circle."""
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def input_error_message(error: InputError) -> str:
    """The message alone: an error raised in a data-loading process comes back with that process's traceback."""
    return str(error).rsplit(MARKER, 1)[-1].strip().split("\n\n", 1)[0]
