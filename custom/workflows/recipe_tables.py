"""The tables of a recipe: what its stages and controls score, with one seed or the means over several."""

from collections.abc import Mapping
from pathlib import Path

from ..cohort.manifest import Cohort
from ..reports.case_scores import CASE_SCORES, Evaluation, read_case_scores, scoring_rules, write_case_scores
from ..reports.study_tables import write_tables
from .run import Run

TEST, VALIDATION = Path("test") / "evaluation", Path("output") / "validation"
PER_CASE = "metrics_per_case.csv"


def write_recipe_tables(
    folder: Path, title: str, cohort: Cohort, runs: Mapping[int, Mapping[str, Run]], reference: str
) -> str:
    """Write the files of a study on the test cases, or the validation cases of a cohort without; text of `study.md`.

    Of the stages that are done with every seed; nothing, and "", while the reference is not among them.

    Args:
        runs: seed -> name -> stage.
    """
    done = [name for name in next(iter(runs.values())) if all(one[name].folder.is_done() for one in runs.values())]
    if reference not in done:
        return ""
    cases, place = ("test", TEST) if cohort.test else ("validation", VALIDATION)
    sources = [
        Evaluation(name, seed, cases, one[name].folder.path / place / PER_CASE)
        for name in done
        for seed, one in runs.items()
    ]
    write_case_scores(folder / CASE_SCORES, sources)
    scores, class_names = read_case_scores(folder / CASE_SCORES)
    if not scores:  # a cohort with neither
        return ""
    seeds = f", {len(runs)} seeds" if len(runs) > 1 else ""
    return write_tables(
        folder, f"{title}: {cases} cases{seeds}", scores, class_names, reference, scoring_rules(sources)
    )
