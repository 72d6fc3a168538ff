"""Tables of stages that are done, from hand-made scores."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from custom.cohort.manifest import Cohort, CohortCase
from custom.reports.case_scores import CASE_SCORES
from custom.reports.study_tables import FILES
from custom.workflows.recipe_tables import write_recipe_tables

HEADER = "case,class,dice,nsd\n"


class Stage:
    """A stage with its score of each case."""

    def __init__(self, folder: Path, place: str, dice: float) -> None:
        self.folder = SimpleNamespace(path=folder, is_done=lambda: self.done)
        self.done = True
        file = folder / place / "metrics_per_case.csv"
        file.parent.mkdir(parents=True)
        file.write_text(HEADER + "".join(f"{case},liver,{dice},{dice / 2}\n" for case in ("a", "b")))


@pytest.fixture(params=["test/evaluation", "output/validation"])
def recipe(request, tmp_path) -> SimpleNamespace:
    """Two seeds of two stages, scored on test cases or, of a cohort without, on validation cases."""
    use = "test" if request.param.startswith("test") else "validation"
    cohort = Cohort("Livers", ("liver",), (), (CohortCase("a", "a.nii.gz", "a_label.nii.gz", (1,), use),))
    runs = {
        seed: {
            name: Stage(tmp_path / str(seed) / name, request.param, dice + seed / 10)
            for name, dice in (("first", 0.5), ("last", 0.75))
        }
        for seed in (0, 1)
    }
    return SimpleNamespace(cohort=cohort, runs=runs, folder=tmp_path / "work", use=use)


def written(recipe: SimpleNamespace, reference: str = "last") -> str:
    recipe.folder.mkdir(exist_ok=True)
    return write_recipe_tables(recipe.folder, "Livers", recipe.cohort, recipe.runs, reference)


def test_the_stages_of_all_seeds(recipe):
    text = written(recipe)
    assert text.startswith(f"# Livers: {recipe.use} cases, 2 seeds\n")
    assert "| first | 2 | 0.550 / 0.275 | 0.550 / 0.275 |" in text, "DSC and NSD, as Table 6"
    assert "| first | last | Dice | 2 | -0.250 |" in text
    recipe.runs = {1: recipe.runs[1]}
    assert "| first | 2 | 0.600 / 0.300 |" in written(recipe)
    assert "seeds\n" not in written(recipe).splitlines()[0]


def test_tables_of_stages_that_are_redone_go(recipe):
    """They would stand next to the report of other stages."""
    written(recipe)
    recipe.runs[1]["last"].done = False
    assert written(recipe) == ""
    assert not [name for name in (*FILES, CASE_SCORES) if (recipe.folder / name).exists()]


def test_equal_scores_are_not_tested_again(recipe):
    text = written(recipe)
    times = {name: (recipe.folder / name).stat().st_mtime_ns for name in FILES}
    assert written(recipe) == text
    assert {name: (recipe.folder / name).stat().st_mtime_ns for name in FILES} == times
    assert "| last | first | Dice |" in written(recipe, "first"), "another reference"


def test_tables_of_equal_scores_get_the_groups_that_an_earlier_version_left_out(recipe):
    written(recipe)
    for file in recipe.folder.parent.rglob("metrics_per_case.csv"):
        file.with_name("metrics.json").write_text('{"groups": {"organs": ["liver"]}}')
    assert "organs: Dice" in written(recipe)
