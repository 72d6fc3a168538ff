"""The folds, or the fixed split, of a training, kept next to its weights: only they say which cases it has not seen."""

from pathlib import Path

from ..errors import InputError
from ..io.atomic_write import write_json
from ..io.json_file import read_json
from ..io.write_errors import reporting_unwritable
from .fixed_split import is_file_of_folds, read_split
from .folds import read_folds

KEPT_FOLDS = "folds.json"


def keep_folds(used: str | Path, kept: str | Path) -> None:
    """Copy the file whose cases a training holds out to its own place, `kept`; a split in CSV becomes JSON."""
    if Path(used).resolve() != Path(kept).resolve():
        folds = is_file_of_folds(used)
        content = read_json(Path(used), {}) if folds else {"source": str(used), **read_split(used)}
        with reporting_unwritable(kept, "pass another --ckpt_dir"):
            write_json(kept, content)


def folds_of_training(named: str | Path | None, kept: str | Path | None, fixed: bool = False) -> str | Path:
    """The file that says what a training has held out: its own, or the one that is named where it kept none.

    Args:
        named: what a user, or a study, gives for all trainings; may be missing.
        kept: of the training; may be missing.
        fixed: a fixed split is asked for; a file of folds is then no other statement.

    Raises InputError: there is neither, or they differ.
    """
    given, own = (file if file is not None and _says(file, fixed) else None for file in (named, kept))
    found = own or given
    if found is None:
        raise InputError(
            f"{kept or named} is missing, which says what cases the training has not seen: pass its --folds_file, or "
            "--other_data true to score every case of data that it has not seen"
        )
    if own and given and _held_out(given, fixed) != _held_out(own, fixed):
        raise InputError(
            f"{given} holds out other cases than {own}, which the training has used: leave --folds_file out, or pass "
            "the --ckpt_dir of the training that used it"
        )
    return found


def names_in(file: str | Path) -> set[str]:
    """Every case that a file of folds or a split names."""
    return {name for part in _held_out(file, not is_file_of_folds(file)) for name in part}


def _says(file: str | Path, fixed: bool) -> bool:
    """Whether a file is there and, where a fixed split is asked for, holds no folds."""
    return Path(file).is_file() and not (fixed and is_file_of_folds(file))


def _held_out(file: str | Path, fixed: bool) -> list[list[str]]:
    """The sorted case names of each fold, or of both sides of a split."""
    return [sorted(part) for part in (read_split(file).values() if fixed else read_folds(file))]
