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
    "imports": ["$import tests.workflows.test_study as here"],
    **{"bundle_root": ".", "output_dir": "", "ckpt_dir": "", "folds_file": "", "fold": 0, "seed": 0, "skill": 0.0},
    "output_from": "",
    "epochs": 1,
    "initialize": [],
    "run": ["$here.train(@ckpt_dir, @folds_file, @fold, @seed, @skill)"],
}
EVALUATE = {"bonus": 0.0, "run": ["$here.evaluate(@ckpt_dir, @output_dir, @bonus)"]}
EXPERIMENTS = {"plain": {}, "better": {"settings": {"skill": 0.25}}}
trained: list[tuple[str, str]] = []  # fold and seed of every training, in this process


def train(models: str, folds_file: str, fold: int, seed: int, skill: float) -> None:
    trained.append((str(fold), str(seed)))
    Path(models).mkdir(parents=True, exist_ok=True)
    if not Path(folds_file).exists():
        Path(folds_file).write_text("the same for all")
    write_plan(Path(models) / "plan.yaml", TINY_PLAN)
    (Path(models) / "model.pt").write_text(f"{fold} {skill + int(seed) / 100}")


def evaluate(models: str, output: str, bonus: float) -> None:
    fold, skill = (Path(models) / "model.pt").read_text().split()
    dice = str(round(float(skill) + float(bonus), 6))
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


def test_an_evaluation_has_what_its_training_had_in_place_of_a_common_value(bundle):
    """Else a network would be scored with the patch, or the axes, of the others."""
    experiments = {"plain": {}, "own": {"settings": {"epochs": 5, "skill": 0.5}}, "again": {"weights": "own"}}
    runs = study(bundle, experiments=experiments, overrides={"epochs": 3}, folds=[0]).runs
    for name, epochs in (("plain", 3), ("own", 5), ("again", 5)):
        assert runs[f"{name}_seed0_fold0_scores"].values()["epochs"] == epochs
    assert "skill" not in runs["own_seed0_fold0_scores"].overrides, "of no consequence to a scoring"


def test_where_all_is_redone_so_are_the_folds(bundle):
    """They may be of cases that have gone."""
    study(bundle, overrides={"epochs": 3}).run()
    folds = Path("work/folds.json")
    folds.write_text("of the first call")
    changed = {**EXPERIMENTS, "plain": {"settings": {"skill": 0.5}}}
    study(bundle, overrides={"epochs": 3}, experiments=changed, on_change="redo", only="plain_seed0_fold0").run()
    assert folds.read_text() == "of the first call", "kept where some runs are"
    with pytest.raises(InputError, match="was begun with other settings"):
        study(bundle, overrides={"epochs": 4}, experiments=changed).run()
    assert folds.read_text() == "of the first call"
    study(bundle, overrides={"epochs": 4}, experiments=changed, on_change="redo", only="plain_seed0_fold0").run()
    assert folds.read_text() == "the same for all", "written by the training"
    assert Path("work/replaced/folds.json.1").read_text() == "of the first call"


def test_where_other_methods_trainings_remain_so_do_the_folds(bundle):
    """Else two methods would be trained on different folds."""
    study(bundle).run()
    folds = Path("work/folds.json")
    folds.write_text("copied from another machine")
    study(bundle, experiments={"plain": {"settings": {"skill": 0.5}}}, on_change="redo").run()
    assert folds.read_text() == "copied from another machine"


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


def test_weights_of_another_experiment_are_scored_again(bundle):
    """Also by what a run in between fitted to that training."""
    again = {"weights": "better", "evaluation": {"bonus": "{needs.fitted.bonus}"}}
    shared = {
        "fitted": {"config": ["train", "evaluate"], "settings": {"ckpt_dir": "{needs.better.ckpt_dir}", "bonus": 0.5}}
    }
    one = study(bundle, experiments={**EXPERIMENTS, "again": again}, shared=shared, folds=[1])
    assert [name.replace("_seed0_fold1", "") for name in one.runs][2:] == [
        *("better", "better_scores", "fitted", "again_scores"),
    ]
    one.run()
    assert len(trained) == 2, "it trains nothing"
    text = Path("work/study.md").read_text()
    assert "| better | 1 | 0.250" in text
    assert "| again | 1 | 0.750" in text


def test_some_of_the_methods_and_later_the_others(bundle):
    study(bundle, methods="plain", folds=[0]).run()
    assert len(trained) == 1
    assert "better" not in Path("work/study.md").read_text()
    study(bundle, methods=["better", "plain"], folds=[0]).run()
    assert len(trained) == 2, "what is done is kept"
    assert list(study(bundle, methods="all", folds=[0]).runs) == list(study(bundle, folds=[0]).runs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": "beter"}, "there is no experiment 'beter' .did you mean better..; there are plain, better"),
        ({"methods": ""}, "there is no experiment ''; there are plain, better, or all"),
        (
            {"methods": ["better"]},
            "reference is 'plain', which is not done: pass --reference with one of better, or add it to --methods",
        ),
        ({"reference": "other"}, "reference is 'other', which is not done: pass --reference with one of plain, better"),
        (
            {"experiments": {"plain": {"setting": {}}}},
            "experiment plain: unknown key 'setting'; use overlays and settings and evaluation",
        ),
        ({"shared": {"mask": {"setting": {}}}}, "shared run mask: unknown key 'setting'; use config and settings"),
        (
            {"experiments": {"plain": {"settings": {"skil": 1}}}},
            "run plain_seed0_fold0: no config has a setting 'skil'",
        ),
        (
            {"experiments": {"plain": {}, "again": {"weights": "better"}}},
            "experiment again: weights is 'better'; name an earlier experiment that is trained .plain., or add it",
        ),
        (
            {"experiments": {"plain": {}, "again": {"weights": "plain", "settings": {}}}},
            "experiment again: settings are a training's, but it takes plain's; leave them out",
        ),
        (
            {"experiments": {"plain": {}, "again": {"weights": "plain", "overlays": ["other"]}}},
            "experiment again: overlays are a training's, but it takes plain's; leave them out",
        ),
        ({"overrides": {"seed": 7}}, "training: seed is 7, which has no effect; pass --seeds"),
        ({"experiments": {"plain": {"settings": {"fold": 3}}}}, "experiment plain: fold is 3, .* pass --folds"),
        ({"runtime": {"epochs": 5}}, "runtime: epochs is none of the values that leave a result as it is"),
        ({"folds": [0, 1, "test"]}, "the others hold out the split's test cases, too, which would count twice"),
    ],
)
def test_refused(bundle, options, message):
    with pytest.raises(InputError, match=message):
        study(bundle, **options)


SHARED = {
    "first": {"settings": {"skill": 0.125}},
    "second": {"settings": {"skill": 0.5, "output_from": "{needs.first.ckpt_dir}"}},
    "unused": {"settings": {"skill": 0.75}},
}


def test_runs_that_experiments_share_are_done_once_for_each_fold_and_seed(bundle):
    needs = {"settings": {"output_from": "{needs.second.ckpt_dir}"}}
    runs = study(bundle, experiments={"plain": {}, "a": needs, "b": needs}, shared=SHARED, seeds=[0, 7]).runs
    names = [name for name in runs if name.endswith("_seed7_fold1")]
    assert names == [f"{name}_seed7_fold1" for name in ("plain", "first", "second", "a", "b")]
    assert runs["b_seed7_fold1"].needs == ("second_seed7_fold1",)
    assert runs["b_seed7_fold1"].values()["output_from"].endswith("runs/second_seed7_fold1/models")


def test_a_shared_training_with_overlays_knows_its_fold_and_seed(bundle):
    """Else it would learn from the patients that its experiment is scored on."""
    (bundle / "configs" / "other.yaml").write_text("skill: 0.5\n")
    shared = {"mask": {"config": ["train", "other"]}, "fitted": {"config": ["train", "evaluate"]}}
    needs = {"settings": {"output_from": "{needs.mask.ckpt_dir}{needs.fitted.ckpt_dir}"}}
    runs = study(bundle, experiments={"plain": needs}, reference="plain", shared=shared, seeds=[7], folds=[1]).runs
    assert {key: runs["mask_seed7_fold1"].values()[key] for key in ("fold", "seed")} == {"fold": 1, "seed": 7}
    assert "seed" not in runs["fitted_seed7_fold1"].overrides


def test_shared_runs_have_no_row(bundle):
    experiments = {**EXPERIMENTS, "needy": {"settings": {"output_from": "{needs.first.ckpt_dir}"}}}
    study(bundle, experiments=experiments, shared=SHARED, folds=["test"]).run()
    assert sorted(trained) == 4 * [("test", "0")]
    text = Path("work/study.md").read_text()
    assert "| needy | 1 |" in text
    assert "first" not in text


def test_an_evaluation_has_the_experiments_overlays_and_values_of_its_own(bundle):
    (bundle / "configs" / "other.yaml").write_text("skill: 0.5\n")
    experiments = {"plain": {"overlays": ["other"], "evaluation": {"output_from": "{needs.first.ckpt_dir}"}}}
    runs = study(bundle, experiments=experiments, shared=SHARED, folds=[0]).runs
    evaluation = runs["plain_seed0_fold0_scores"]
    experiments["again"] = {"weights": "plain"}
    again = study(bundle, experiments=experiments, shared=SHARED, folds=[0]).runs["again_seed0_fold0_scores"]
    assert again.configs == evaluation.configs, "those of the weights it scores"
    assert again.values()["output_from"] == evaluation.values()["output_from"]
    assert evaluation.configs == ("train", "other", "evaluate")
    assert evaluation.needs == ("plain_seed0_fold0", "first_seed0_fold0")
