"""The tables of a recipe: what its stages and controls score, with one seed or the means over several."""

from collections.abc import Mapping
from pathlib import Path

from ..cohort.manifest import Cohort
from ..reports.case_scores import CASE_SCORES, Evaluation, collect_scores, scoring_rules, write_case_scores
from ..reports.page.recipe_results import TEST, VALIDATION
from ..reports.page.results import PER_CASE
from ..reports.study_tables import FILES, TABLES, write_tables
from .run import Run


def write_recipe_tables(
    folder: Path, title: str, cohort: Cohort, runs: Mapping[int, Mapping[str, Run]], reference: str
) -> str:
    """Write the files of a study on the test cases, or the validation cases of a cohort without; returns `study.md`.

    They have the stages that are done with every seed. Until the reference is, there are none, and "" is returned.

    Args:
        runs: seed -> name -> stage.
    """
    done = [name for name in next(iter(runs.values())) if all(one[name].folder.is_done() for one in runs.values())]
    cases, place = ("test", TEST) if cohort.test else ("validation", VALIDATION)
    sources = [
        Evaluation(name, seed, cases, one[name].folder.path / place / PER_CASE)
        for name in done
        for seed, one in runs.items()
    ]
    if reference not in done or not any(one.file.is_file() for one in sources):
        for name in (*FILES, CASE_SCORES):  # of stages that have been redone since
            (folder / name).unlink(missing_ok=True)
        return ""
    before = read_if_there(folder / CASE_SCORES)
    found = collect_scores(sources)
    write_case_scores(folder / CASE_SCORES, found)
    headline = f"{title}: {cases} cases" + (f", {len(runs)} seeds" if len(runs) > 1 else "")
    text, compared = read_if_there(folder / TABLES), read_if_there(folder / "comparisons.csv")
    is_same = before == read_if_there(folder / CASE_SCORES) and f",{reference}," in compared
    if is_same and text.startswith(f"# {headline}\n") and all(f"{name}: " in text for name in found.groups):
        return text  # hundreds of exact tests take a minute
    rules = scoring_rules(sources)
    return write_tables(folder, headline, found.scores, found.class_names, found.groups, reference, rules)


def read_if_there(file: Path) -> str:
    """The text of a file, "" where there is none."""
    return file.read_text(encoding="utf-8") if file.is_file() else ""
