"""Groups labelled by earlier models, with predictions replaced by notes of what was asked for."""

from __future__ import annotations

import json
from pathlib import Path

from custom.io.atomic_write import write_json
from custom.io.checksums import sha256

from .noted_stages import FILLED, with_recipe


def test_a_prediction_needs_the_models_folder_alone(pipeline):
    pipeline.run("1_liver", "2_both")
    names, asked = pipeline.bundle.runs[1]
    assert names == ["inference"]
    assert not {"plan", "learning_rate", "class_names", "intensity"} & set(asked), (
        "the plan next to the weights says it"
    )
    assert asked["ckpt_dir"] == str(pipeline.work.stage("1_liver").models)
    assert asked["windows"] == "all", "2_both's own choice is for its own model"
    assert asked["checkpoint"] == str(pipeline.work.stage("1_liver").model)
    assert asked["output_dir"] == str(pipeline.work.stage("2_both").pseudo_labels("bare"))
    assert asked["confidence"] is False
    entries = json.loads(Path(asked["dataset_dir"]).read_text())
    assert entries[0] == {"image": pipeline.groups["bare"][0].image, "output_name": "u0.nii.gz"}
    assert asked["record_facts"] == {
        "stage": "2_both",
        "model": {"stage": "1_liver", "sha256": sha256(pipeline.work.stage("1_liver").model)},
    }


def test_the_seconds_of_labelling_are_those_of_its_cases_whichever_run_labelled_them(pipeline):
    pipeline.run("1_liver", "2_both")
    for name, seconds in {"u0": 10.04, "u1": 2}.items():
        write_json(
            pipeline.work.stage("2_both").pseudo_label("bare", name).with_name(f"{name}.json"), {"seconds": seconds}
        )
    assert pipeline.stages()["2_both"].result()["fill"][0]["seconds"] == 12.0


def test_labels_of_the_same_model_are_taken_over(pipeline):
    stages = [{"name": name, **FILLED, "control": True} for name in ("2_one", "3_other")]
    with_recipe(pipeline, *stages).run("1_liver", "2_one", "3_other")
    assert pipeline.bundle.asked == ["train 1_liver", "inference of bare with 1_liver", "train 2_one", "train 3_other"]
    files = [pipeline.work.stage(name).pseudo_label("bare", "u2") for name in ("2_one", "3_other")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert pipeline.record("3_other")["labelled_cases"] == 5


def test_a_second_model_labels_the_group_for_the_agreement(pipeline):
    """Both find the same, so nothing is held back; the labels that are merged are the first one's."""
    second = {"name": "2_again", "train": ["liver"]}
    third = {"name": "3_both", **FILLED, "merge": {"min_agreement": 0.9, "agree_with": "2_again"}}
    with_recipe(pipeline, second, third).run("1_liver", "2_again", "3_both")
    assert pipeline.bundle.asked[2:] == [
        "inference of bare with 1_liver",
        "inference of bare with 2_again",
        "train 3_both",
    ]
    assert pipeline.record("3_both")["needs"] == ["1_liver", "2_again"]
    folder = pipeline.work.stage("3_both")
    assert folder.second_label("bare", "u0").exists()
    assert json.loads(folder.held_back.read_text()) == {"bare": {}}
    assert json.loads((folder.path / "labels" / "u0.json").read_text())["model"]["stage"] == "1_liver"
