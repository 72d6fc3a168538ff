"""What a training holds out of a data set's folder: a fold, the test cases of a fixed split, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .fixed_split import TEST, held_out_cases, split_file_of
from .folds import load_folds, load_or_make_folds
from .kept_folds import folds_of_training, keep_folds

ALL = "all"


@dataclass(frozen=True)
class HeldOut:
    """The cases that a training does not see.

    Args:
        fold: 0 to `num_folds` - 1; "test": the test cases of a fixed split, see `split_file_of`; or "all": the training
            sees every case, so that scores on the validation cases are scores on training cases.
        num_folds: number of folds, balanced over the foreground classes that the cases have.
        folds_file: JSON; read where it exists, else written. None makes the same folds each time. Of fold "test" the
            split, if it is one.
        kept_file: where a training keeps a copy of it, or of the split, next to its weights.
        resume: the training has begun before: it goes on with what it kept, if anything.
        trained: the training is over: what it held out must be known, see `folds_of_training`, and nothing is kept.
        seed: of the folds, when they are made.
    """

    fold: int | str = 0
    num_folds: int = 5
    folds_file: str | Path | None = None
    kept_file: str | Path | None = None
    resume: bool = False
    trained: bool = False
    seed: int = 0

    def number(self) -> int | str:
        """The fold's number, `ALL` or `TEST`. Raises InputError: it is none of them."""
        if self.fold in (ALL, TEST):
            return self.fold
        if self.num_folds < 2:
            raise InputError(f"num_folds is {self.num_folds}; pass --num_folds 2 or more, or --fold all")
        try:
            number = int(self.fold)
        except (TypeError, ValueError):
            number = -1
        if not 0 <= number < self.num_folds:
            allowed = f'it must be 0 to {self.num_folds - 1} (num_folds - 1), "test" or "all"'
            raise InputError(f"fold is {self.fold!r}; {allowed}")
        return number

    def file(self, dataset_dir: str | Path) -> str | Path | None:
        """The file of the folds or the split, which may not be there yet; None: folds are made and not written.

        Raises InputError: there is no split, or it is not known what the training has held out.
        """
        begun = self.resume and self.kept_file is not None and Path(self.kept_file).exists()
        fixed = self.fold == TEST
        found = self.folds_file
        if self.trained or begun:
            found = folds_of_training(found, self.kept_file, fixed=fixed)
        return split_file_of(dataset_dir, found) if fixed else found

    def are_made(self, file: str | Path | None) -> bool:
        """Whether folds have to be made, for which the classes of the cases must be known."""
        return self.fold != TEST and (file is None or not Path(file).exists())

    def names(self, file: str | Path | None, names: Sequence[str], present: Sequence[tuple[int, ...]]) -> set[str]:
        """Which of `names` are held out; folds are made where there are none yet.

        `present`: the classes of each case; nothing where no label was read, as `file` has the folds. Raises
        InputError: the file does not fit the data, or cannot be read or written.
        """
        number = self.number()
        if number == TEST:
            return set(held_out_cases(str(file), names))
        if present or file is None:
            strata = dict(zip(names, present, strict=True))
            return set(load_or_make_folds(file, strata, self.num_folds, self.seed)[int(number)])
        return set(load_folds(file, names, self.num_folds)[int(number)])

    def keep(self, file: str | Path | None) -> None:
        """Of a training: copy the file next to its weights."""
        if not self.trained and file is not None and self.kept_file is not None:
            keep_folds(file, self.kept_file)
