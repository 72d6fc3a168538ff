"""A fixed split of a data set's cases into those to train on and those to test on, as a challenge publishes it."""

import csv
import io
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from ..errors import InputError
from ..io.atomic_write import write_json
from ..io.write_errors import reporting_unwritable
from .folds import read_folds

TEST, TRAINING = "test", "training"
SPLIT_FILE = "split.json"  # in a data set's folder
FORMATS = 'JSON {"training": [names], "test": [names]} or CSV with the columns case and split (training or test)'


def write_split(path: str | Path, training: Sequence[str], test: Sequence[str], source: str) -> None:
    """Write a split as JSON; `source` says where it comes from."""
    with reporting_unwritable(path, "pass a folder that can be written"):
        write_json(path, {"source": source, TRAINING: sorted(training), TEST: sorted(test)})


def read_split(path: str | Path) -> dict[str, list[str]]:
    """The case names of "training" and "test" in a JSON or CSV file.

    Raises InputError: the file cannot be read, is none, a case lies on both sides, or one side has none.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        split = split_of_csv(text) if Path(path).suffix.lower() == ".csv" else split_of_json(text)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); pass another --folds_file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no split ({error}); write {FORMATS}") from error
    names = [*split[TRAINING], *split[TEST]]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise InputError(f"{path}: case {repeated} is there twice; correct the file")
    empty = next((side for side in (TRAINING, TEST) if not split[side]), None)
    if empty is not None:
        raise InputError(f"{path}: no case is for {empty}; correct the file")
    return split


def split_of_json(text: str) -> dict[str, list[str]]:
    """The sides of a JSON object."""
    content = json.loads(text)
    return {side: [str(name) for name in list(content[side])] for side in (TRAINING, TEST)}


def split_of_csv(text: str) -> dict[str, list[str]]:
    """The sides of lines with the columns case and split."""
    split: dict[str, list[str]] = {TRAINING: [], TEST: []}
    for row in csv.DictReader(io.StringIO(text)):
        split[row["split"].strip().lower()].append(row["case"].strip())
    return split


def split_file_of(dataset_dir: str | Path, split_file: str | Path | None = None) -> Path:
    """The file of a data set's split: `split_file` where that is one, else its own `split.json`.

    `split_file` may be missing, or a file of folds, as that has its place for every fold. Raises InputError: there is
    no split.
    """
    own = Path(dataset_dir) / SPLIT_FILE
    named = split_file is not None and Path(split_file).is_file() and not is_file_of_folds(split_file)
    file = Path(str(split_file)) if named else own
    if not file.is_file():
        raise InputError(f'fold "{TEST}": there is no split at {own}; pass one as --folds_file, {FORMATS}')
    return file


def held_out_cases(file: str | Path, names: Collection[str]) -> list[str]:
    """The test cases of a split; each of `names` must be on one side of it, and it may name cases that are not there.

    Raises InputError: it is no split, lacks a case, or one side has no case of the data set.
    """
    split = read_split(file)
    missing = sorted(set(names) - {*split[TRAINING], *split[TEST]})
    if missing:
        raise InputError(f"{file} lacks {len(missing)} cases of the data, such as {missing[0]}; add them to a side")
    for side in (TRAINING, TEST):
        if not set(split[side]) & set(names):
            raise InputError(f"{file}: no case of the data is for {side}; pass the split of this data set")
    return split[TEST]


def is_file_of_folds(path: str | Path) -> bool:
    """Whether a file holds cross-validation folds."""
    try:
        return bool(read_folds(path))
    except InputError:
        return False
