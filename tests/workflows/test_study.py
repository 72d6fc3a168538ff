"""A study of two experiments, two folds and two seeds, with a bundle of two lines: order, tables, going on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from custom.errors import InputError
from custom.plans import write_plan
from custom.workflows import Study

from ..small_bundle import TINY_PLAN

TRAIN = {
    "imports": ["$from tests.workflows import test_study as here"],
    **{"bundle_root": ".", "output_dir": "", "ckpt_dir": "", "folds_file": "", "fold": 0, "seed": 0, "skill": 0.0},
    "epochs": 1,
    "initialize": [],
    "run": ["$here.train(@ckpt_dir, @folds_file, @fold, @seed, @skill)"],
}
EVALUATE = {"run": ["$here.evaluate(@ckpt_dir, @output_dir)"]}
EXPERIMENTS = {"plain": {}, "better": {"settings": {"skill": 0.25}}}
trained: list[tuple[str, str]] = []  # fold and seed of every training, in this process


def train(models: str, folds_file: str, fold: int, seed: int, skill: float) -> None:
    trained.append((str(fold), str(seed)))
    Path(models).mkdir(parents=True, exist_ok=True)
    Path(folds_file).write_text("the same for all")
    write_plan(Path(models) / "plan.yaml", TINY_PLAN)
    (Path(models) / "model.pt").write_text(f"{fold} {skill + int(seed) / 100}")


def evaluate(models: str, output: str) -> None:
    fold, dice = (Path(models) / "model.pt").read_text().split()
    folder = Path(output) / "evaluation"
    folder.mkdir(parents=True)
    lines = [f"case{fold},{name},{dice},{8 - float(dice)},9,9" for name in TINY_PLAN["classes"]]
    text = "\n".join(["case,class,dice,hd95_mm,truth_voxels,predicted_voxels", *lines])
    (folder / "metrics_per_case.csv").write_text(text)


@pytest.fixture
def bundle(tmp_path, monkeypatch) -> Path:
    root = tmp_path / "bundle"
    (root / "configs").mkdir(parents=True)
    for name, content in {"train": TRAIN, "evaluate": EVALUATE}.items():
        (root / "configs" / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (root / "configs" / "metadata.json").write_text('{"version": "0.1"}')
    monkeypatch.chdir(tmp_path)
    trained.clear()
    return root


def study(bundle: Path, **options) -> Study:
    options = {"experiments": EXPERIMENTS, "reference": "plain", "folds": [0, 1], **options}
    return Study(work_dir="work", bundle_root=bundle, title="Skill", **options)


def test_fold_by_fold_so_that_methods_compare_early(bundle):
    runs = list(study(bundle, seeds=[3]).runs)
    trainings = [name for name in runs if not name.endswith("_scores")]
    assert trainings == ["plain_seed3_fold0", "better_seed3_fold0", "plain_seed3_fold1", "better_seed3_fold1"]
    assert runs[1] == "plain_seed3_fold0_scores", "scored at once"


def test_tables_of_all_patients(bundle):
    study(bundle, seeds=[0, 1]).run()
    assert len(trained) == 8
    assert "| better | 2 | 0.255 / 7.7 | 0.255 / 7.7 |" in Path("work/study.md").read_text(), "means over the seeds"
    with Path("work/comparisons.csv").open() as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    assert float(rows["dice"]["difference"]) == pytest.approx(0.25)
    assert rows["dice"]["patients"] == "2"


def test_it_describes_itself_for_its_page(bundle):
    study(bundle, seeds=[0, 1], only="plain_seed0_fold0").run()
    content = json.loads(Path("work/study.json").read_text())
    assert (content["title"], content["reference"], content["seeds"]) == ("Skill", "plain", [0, 1])
    better = content["experiments"]["better"]
    assert better["settings"] == {"skill": 0.25}
    assert better["trainings"][2] == "better_seed1_fold0"
    assert better["evaluations"][2] == "better_seed1_fold0_scores"
    assert not Path("work/report.html").exists(), "only at the end"
    study(bundle, seeds=[0, 1]).run()
    text = Path("work/report.html").read_text()
    assert "16 of 16 runs done" in text
    assert "2 patients scored" in text


def test_experiments_whose_names_begin_alike_are_kept_apart(bundle):
    experiments = {"a": {"settings": {"skill": 0.25}}, "a_seed0": {"settings": {"skill": 0.75}}}
    study(bundle, experiments=experiments, reference="a", folds=[0]).run()
    text = Path("work/study.md").read_text()
    assert "| a | 1 | 0.250" in text
    assert "| a_seed0 | 1 | 0.750" in text


def test_it_goes_on_and_takes_a_further_experiment(bundle):
    study(bundle, only="plain_seed0_fold0,plain_seed0_fold0_scores").run()
    assert trained == [("0", "0")]
    assert "| plain | 1 |" in Path("work/study.md").read_text()
    study(bundle).run()
    assert len(trained) == 4
    study(bundle, experiments={**EXPERIMENTS, "best": {"settings": {"skill": 0.5}}}).run()
    assert len(trained) == 6
    assert "| best | 2 | 0.500" in Path("work/study.md").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": "other"}, "reference is 'other'; name one of the experiments: plain, better"),
        (
            {"experiments": {"plain": {"setting": {}}}},
            "experiment plain: unknown key 'setting'; use overlays and settings",
        ),
        (
            {"experiments": {"plain": {"settings": {"skil": 1}}}},
            "run plain_seed0_fold0: no config has a setting 'skil'",
        ),
    ],
)
def test_refused(bundle, options, message):
    with pytest.raises(InputError, match=message):
        study(bundle, **options)
