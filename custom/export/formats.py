"""The formats networks are exported to, by name and by ending."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

TORCHSCRIPT, TORCH_EXPORT, ONNX = "torchscript", "torch_export", "onnx"
ENDINGS = {".ts": TORCHSCRIPT, ".pt2": TORCH_EXPORT, ".onnx": ONNX}


def format_of(file: Path) -> str:
    """The format by a file's ending. Raises InputError: it is none of them."""
    if file.suffix not in ENDINGS:
        endings = ", ".join(f"{ending} ({kind})" for ending, kind in ENDINGS.items())
        raise InputError(f"{file}: unknown ending; use one of {endings}")
    return ENDINGS[file.suffix]


@contextmanager
def readable_format(file: Path) -> Iterator[str]:
    """The format of a file that is read in the block, whose errors become an `InputError`: each format has its own.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    kind = format_of(file)
    if not file.is_file():
        raise InputError(f"no exported network at {file}: write it with `export` first, or pass another --exported")
    try:
        yield kind
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise InputError(f"{file} cannot be read as {kind} ({reason}): export the network again") from error
