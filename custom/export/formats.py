"""The formats networks are exported to, by name and by ending."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

TORCHSCRIPT, TORCH_EXPORT, ONNX = "torchscript", "torch_export", "onnx"
# entry of an archive of PyTorch -> what it is
KINDS = {"archive_format": TORCH_EXPORT, "serialized_exported_program.json": TORCH_EXPORT, "constants.pkl": TORCHSCRIPT}
WEIGHTS = "data.pkl"
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

    Raises InputError: there is no such file, or it cannot be read.
    """
    kind = format_of(file)
    if not file.is_file():
        raise InputError(f"no exported network at {file}: write it with `export` first, or pass another --exported")
    _refuse_other_archive(file, kind)
    try:
        yield kind
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise InputError(f"{file} cannot be read as {kind} ({reason}): export the network again") from error


def _refuse_other_archive(file: Path, kind: str) -> None:
    """Refuse an archive under another format's ending: PyTorch's own errors go on for pages."""
    if kind == ONNX or not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        entries = {name.rsplit("/", 1)[-1] for name in archive.namelist()}
    found = next((is_of for entry, is_of in KINDS.items() if entry in entries), None)
    if found is None and WEIGHTS in entries:
        raise InputError(f"{file} holds weights, not a network: write one with `python -m custom export`")
    if found not in (None, kind):
        ending = next(ending for ending, name in ENDINGS.items() if name == found)
        raise InputError(f"{file} holds a network as {found}, not {kind}: rename it to end in {ending}")
