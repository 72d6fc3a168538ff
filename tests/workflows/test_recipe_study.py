"""A recipe with two seeds on a cohort of a few voxels: test cases, held-back classes, tables."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from custom.cohort.manifest import read_cohort, write_cohort
from custom.errors import InputError
from custom.workflows import RecipeStudy
from custom.workflows.jobs import Schedule, Task
from custom.workflows.record import RunFolder

from .tiny_cohort import DARK, OVERLAY, RECIPE, Pipeline, write_case, write_tiny_cohort

STAGES = [
    RECIPE[0],
    {
        "name": "2_all",
        "fill": {"dataset3": "1_organs"},
        "train": ["dataset1", "dataset3"],
        "unannotated": "marginal",
        "merge": {"min_dice": 0.99},  # which no teacher of six steps reaches
    },
]


class SeveralSeeds(Pipeline):
    def options(self, **options):
        found = super().options(**options)
        found["config_file"].append(str(self.root / "configs" / "seeds.yaml"))
        return found


@pytest.fixture(scope="module")
def study(project, tmp_path_factory) -> SeveralSeeds:
    folder = tmp_path_factory.mktemp("study")
    manifest = write_tiny_cohort(folder / "cohort", {"dataset1": 2, "dataset3": 2}, validation=1)
    cohort = read_cohort(manifest)
    tests = [write_case(folder / "cohort", f"test_{n}", 200 + n, (1, 2, 3), "test") for n in (0, 1)]
    write_cohort(manifest, replace(cohort, cases=(*cohort.cases, *tests)))
    found = SeveralSeeds(project, manifest, folder / "work", recipe=STAGES)
    with pytest.MonkeyPatch.context() as patched:  # pictures are two thirds of the work
        patched.setattr(Figure, "savefig", lambda _, file, *args, **kwargs: Path(file).write_bytes(b""))
        found.run(seeds=[0, 1])
    return found


def stage(study, seed, name):
    return study.work / f"seed_{seed}" / "stages" / name


def test_finished_models_are_scored_on_the_test_cases_alone(study):
    for seed in (0, 1):
        with (stage(study, seed, "2_all") / "test" / "evaluation" / "metrics_per_case.csv").open() as file:
            assert {row["case"] for row in csv.DictReader(file)} == {"test_0", "test_1"}
        trained = json.loads((stage(study, seed, "2_all") / "training_cases.json").read_text())
        assert not any("test_" in entry["image"] for entry in trained)
        assert set(json.loads((stage(study, seed, "2_all") / "record.json").read_text())["test_scores"]) >= {"organs"}


def test_a_held_back_class_stays_unannotated_in_label_record_and_training(study):
    """dataset3 lacks the bright organ, of which the teacher knows little; nobody has a lesion: it is background."""
    folder = stage(study, 0, "2_all")
    entries = {entry["image"]: entry for entry in json.loads((folder / "training_cases.json").read_text())}
    for case in (one for one in read_cohort(study.manifest).training if one.annotated == (DARK,)):
        record = json.loads((folder / "labels" / f"{case.name}.json").read_text())
        assert record["filled"] == []
        assert list(record["held_back"]) == ["bright"]
        assert record["held_back"]["bright"].startswith("validation Dice 0.")
        assert entries[case.image]["annotated"] == [1, 3]
    fill = json.loads((folder / "record.json").read_text())["fill"][0]
    assert fill["held_back"][0].startswith("bright stays unannotated in 2 of 2 cases")
    assert "bright stays unannotated in 2 of 2 cases" in (study.work / "seed_0" / "report.md").read_text()


def test_tables_compare_the_stages_over_seeds(study):
    text = (study.work / "study.md").read_text()
    assert text.startswith("# Pseudo-label recipe: test cases, 2 seeds")
    with (study.work / "comparisons_per_class.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["method"], row["reference"], row["patients"]) for row in rows} == {("1_organs", "2_all", "2")}
    assert {row["class"] for row in rows} == {"dark", "bright", "lesion", "organs"}, "organs: dark and bright"
    seeds = [json.loads((stage(study, n, "1_organs") / "record.json").read_text())["model_sha256"] for n in (0, 1)]
    assert seeds[0] != seeds[1]


def test_each_seed_has_tables_of_its_own(study):
    text = (study.work / "seed_1" / "study.md").read_text()
    assert text.splitlines()[0].endswith(": test cases")
    assert "dark: Dice / NSD" in text, "Table 6"
    assert "organs: Dice / NSD" in text, "their mean, without the lesion"
    assert "| 1_organs | 2_all | Dice | 2 |" in text
    assert "NSD tolerance" in text, "the rules of the metrics"
    assert (study.work / "seed_1" / "study.tex").read_text().startswith(r"\begin{tabular}")


def test_the_page_shows_the_test_cases_of_all_seeds(study):
    page = (study.work / "report.html").read_text().replace("<wbr>", "")  # where long names may break
    assert "<title>Pseudo-label recipe</title>" in page
    assert "4 of 4 stages done" in page
    assert "scores of test cases, 2 seeds" in page
    assert "2_all: NSD" in page, "Table 6"
    assert "seed_1/2_all" in page, "how long each run took"
    assert page.count('<article class="case"') == 2
    assert "report.html" in {file.name for file in (study.work / "seed_0").iterdir()}


@pytest.mark.parametrize("jobs", ["auto", 2])
def test_the_second_run_does_nothing(study, jobs):
    files = {file: file.stat().st_mtime_ns for file in study.work.rglob("model.pt")}
    study.run(seeds=[0, 1], jobs=jobs)
    assert {file: file.stat().st_mtime_ns for file in study.work.rglob("model.pt")} == files


def test_the_seeds_of_a_recipe_are_worked_on_together(study, monkeypatch):
    """Each in its own work folder, where its jobs find what they are part of."""
    seen = []
    monkeypatch.setattr(Schedule, "work", lambda schedule: seen.extend(map(str, schedule.waiting)))
    monkeypatch.setattr(RunFolder, "is_done", lambda folder: folder.path.name == "1_organs")
    monkeypatch.setattr(Task, "__str__", lambda task: task.name)
    study.run(seeds=[0, 1], jobs=2)
    assert seen == ["seed_0 2_all", "seed_1 2_all"]
    for seed in (0, 1):
        content = json.loads((study.work / f"seed_{seed}" / "chain.json").read_text())
        assert (content["class"], content["arguments"]["training"]["seed"]) == ("PseudoLabelPipeline", seed)


def test_faults(project, study, tmp_path):
    options = {"cohort": study.manifest, "recipe": STAGES, "bundle_root": study.root, "groups": OVERLAY["groups"]}
    options |= {"plan": str(study.plan), "training": OVERLAY["training"]}
    with pytest.raises(InputError, match="reference is 'x', which is no stage: name one of 1_organs, 2_all"):
        RecipeStudy(tmp_path, [0], reference="x", **options)
    with pytest.raises(InputError, match=r"seeds is \[1, 1\]; name one or more, each once"):
        RecipeStudy(tmp_path, [1, 1], **options)
