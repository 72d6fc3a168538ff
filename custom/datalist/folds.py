"""Cross-validation folds balanced over tumour types, kept in a file that everyone can reuse."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..io.atomic_write import write_json
from ..io.write_errors import reporting_unwritable

FILE_VERSION = 1


def make_folds(strata: dict[str, tuple[int, ...]], num_folds: int = 5, seed: int = 0) -> list[list[str]]:
    """Deal the cases into folds so that each stratum, and the whole, is spread as evenly as whole cases allow.

    Args:
        strata: case name -> the foreground classes it has, sorted: the tumour type where a patient has one.
        num_folds: number of folds.
        seed: of the shuffle within each stratum; the order of `strata` has no influence.

    Returns:
        The sorted case names of each fold. Between any two folds the number of cases differs by at most one, in every
        stratum and in total.

    Raises InputError: fewer than two folds, or more folds than cases.
    """
    if num_folds < 2:
        raise InputError(f"num_folds is {num_folds}; pass --num_folds 2 or more, or --fold all")
    if num_folds > len(strata):
        fewer = f"--num_folds {len(strata)} or " if len(strata) > 1 else ""
        raise InputError(f"num_folds is {num_folds} for {len(strata)} case(s); add cases, or pass {fewer}--fold all")
    generator = np.random.default_rng(seed)
    queue: list[str] = []
    for stratum in sorted(set(strata.values())):
        names = sorted(name for name in strata if strata[name] == stratum)
        queue += [names[number] for number in generator.permutation(len(names))]
    # Dealt out like cards: each stratum is a run of the queue, so it is spread evenly, and so is the whole.
    return [sorted(queue[fold::num_folds]) for fold in range(num_folds)]


def write_folds(
    path: str | Path, folds: Sequence[Sequence[str]], strata: dict[str, tuple[int, ...]], seed: int = 0
) -> None:
    """Write folds as JSON: the seed, and per fold the classes of each case and how many cases have each class.

    Raises InputError: the file cannot be written.
    """
    content = {
        "version": FILE_VERSION,
        "seed": seed,
        "folds": [
            {
                "num_cases": len(fold),
                "cases_with_class": _class_counts(fold, strata),
                "classes_of_case": {name: " ".join(map(str, strata[name])) or "none" for name in fold},
            }
            for fold in folds
        ],
    }
    with reporting_unwritable(path, "pass a --folds_file in another folder"):
        write_json(path, content)


def read_folds(path: str | Path) -> list[list[str]]:
    """The case names of each fold in a file of `write_folds`.

    Raises InputError: the file is missing or damaged, or a case lies in two folds.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        folds = [list(fold["classes_of_case"].keys()) for fold in content["folds"]]
        if content["version"] != FILE_VERSION:
            raise ValueError(content["version"])
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); pass another --folds_file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is no file of folds, version {FILE_VERSION}; delete it or pass another --folds_file"
        ) from error
    repeated = [name for name, count in Counter(name for fold in folds for name in fold).items() if count > 1]
    if repeated:
        raise InputError(f"{path}: case {repeated[0]} lies in more than one fold; correct or delete the file")
    return folds


def load_or_make_folds(
    path: str | Path | None, strata: dict[str, tuple[int, ...]], num_folds: int = 5, seed: int = 0
) -> list[list[str]]:
    """The folds of the file where there is one, whatever its seed; otherwise made, and written to `path` if given.

    Raises InputError: the file has other cases or another number of folds than asked for, or cannot be read or written.
    """
    if path is not None and Path(path).exists():
        return load_folds(path, strata, num_folds)
    folds = make_folds(strata, num_folds, seed)
    if path is not None:
        write_folds(path, folds, strata, seed)
    return folds


def load_folds(path: str | Path, names: Collection[str], num_folds: int = 5) -> list[list[str]]:
    """The folds of a file that must hold exactly the cases `names` in `num_folds` folds.

    Raises InputError: it does not, or cannot be read.
    """
    folds = read_folds(path)
    if len(folds) != num_folds:
        raise InputError(
            f"{path} has {len(folds)} folds, not num_folds = {num_folds}: pass --num_folds {len(folds)}, or another "
            "--folds_file"
        )
    listed = {name for fold in folds for name in fold}
    missing, surplus = sorted(set(names) - listed), sorted(listed - set(names))
    if missing or surplus:
        parts = [f"{len(missing)} cases of the data are not in it, such as {missing[0]}"] if missing else []
        parts += [f"{len(surplus)} of its cases are not in the data, such as {surplus[0]}"] if surplus else []
        raise InputError(
            f"{path} was made for other data: {', and '.join(parts)}; pass --other_data true to score them all, "
            "another --ckpt_dir to train on them, or another --folds_file"
        )
    return folds


def _class_counts(fold: Sequence[str], strata: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """Class -> number of the fold's cases that have it; a class of other folds is named with 0."""
    counts = Counter(label for name in fold for label in strata[name])
    classes = sorted({label for stratum in strata.values() for label in stratum})
    without = sum(not strata[name] for name in fold)
    return {str(label): counts[label] for label in classes} | ({"none": without} if without else {})
