"""Which cases of a data set a table scores, in words."""

from pathlib import Path


def which_cases(dataset_dir: str | Path, fold: int | str, other_data: bool = False) -> str:
    """What follows the data's name in the title of a table; a manifest says itself which cases are held out.

    >>> which_cases("/data/spine", 0), which_cases("/data/spine", "all"), which_cases("/data/cohort.json", 0)
    (', held-out fold 0', ', TRAINING cases', '')
    """
    if other_data:
        return ", other data"
    if Path(dataset_dir).suffix == ".json":
        return ""
    return ", TRAINING cases" if fold == "all" else f", held-out fold {fold}"
