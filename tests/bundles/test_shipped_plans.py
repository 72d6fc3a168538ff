"""The plans and overlays that the bundles ship: the papers' networks, and values that fit each other."""

import math
import re

import pytest
import torch
from monai.bundle import ConfigParser

from custom.cohort.manifest import FLARE_CLASSES, Cohort, default_group_rules
from custom.plans import PLAN_FILE, read_plan, write_plan

INTENSITY = {"lower": -900.0, "upper": 300.0, "mean": 80.0, "sd": 140.0}  # instead of the data set's own
PLANS = {
    "batseg_spine": ["hippocampus", "knight", "phantoms", "spine"],
    "flare_pseudolabel": ["big", "headneck", "hippocampus", "phantoms", "phantoms_big", "small"],
}
EVERY_PLAN = [(bundle, plan) for bundle, plans in PLANS.items() for plan in plans]


def shipped(project, bundle, *names, **options) -> ConfigParser:
    """Configs as they are, without the overlay of the tests."""
    root = project / "bundles" / bundle
    parser = ConfigParser()
    parser.read_config([str(root / "configs" / f"{name}.yaml") for name in names])
    parser.update({"bundle_root": str(root), **options})
    return parser


@pytest.mark.parametrize("bundle", PLANS)
def test_every_plan_is_known_here(project, bundle):
    files = (project / "bundles" / bundle / "configs" / "plans").iterdir()
    assert sorted(file.stem for file in files) == PLANS[bundle]


@pytest.mark.parametrize(("bundle", "plan"), EVERY_PLAN)
def test_what_is_trained_with_a_plan_is_what_inference_makes_of_it(project, bundle, plan, tmp_path):
    folders = {"ckpt_dir": str(tmp_path), "output_dir": str(tmp_path)}
    trained = shipped(project, bundle, "train", plan=plan, intensity=INTENSITY, **folders)
    write_plan(tmp_path / PLAN_FILE, trained.get_parsed_content("used_plan"))
    written = read_plan(tmp_path / PLAN_FILE)
    assert written["name"] == plan
    inference = shipped(project, bundle, "inference", mirrored=True, **folders)
    with torch.device("meta"):
        ours, theirs = (one.get_parsed_content("network_def").state_dict() for one in (inference, trained))
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}
    for key in ("class_names", "spacing", "patch_size", "num_channels"):
        assert inference.get_parsed_content(key) == trained.get_parsed_content(key), key
    assert list(inference.get_parsed_content("inferer").mirror_axes) == written["mirror_axes"]


@pytest.mark.parametrize(("bundle", "plan"), EVERY_PLAN)
def test_left_and_right_are_never_exchanged_where_they_are_classes(project, bundle, plan):
    content = read_plan(project / "bundles" / bundle / "configs" / "plans" / f"{plan}.yaml")
    mirrored = "".join(content["orientation"][axis] for axis in content["mirror_axes"])
    sided = any("left" in name for name in content["classes"])
    assert not (sided and set(mirrored) & set("LR"))
    assert sided == (bundle == "flare_pseudolabel" and plan != "hippocampus")


@pytest.mark.parametrize("plan", PLANS["flare_pseudolabel"])
def test_the_deformation_folds_nothing(project, plan):
    parser = shipped(project, "flare_pseudolabel", "train", plan=plan)
    magnitude, spacing = (parser.get_parsed_content(f"elastic_{key}") for key in ("magnitude", "spacing"))
    assert magnitude <= 0.4 * spacing


# Tables 4 and 5 of the FLARE paper
SMALL = {
    "spacing": [4.0, 1.2, 1.2],
    "patch_size": [32, 128, 192],
    "architecture": {
        "name": "NativeScaleDynUNet",
        "filters": [16, 32, 64, 128, 256],
        "strides": [1, [1, 2, 2], 2, 2, 2],
        "kernel_size": [[1, 3, 3], 3, 3, 3, 3],
    },
}
BIG = {
    "spacing": [2.5, 0.8, 0.8],
    "patch_size": [48, 224, 224],
    "architecture": {
        "name": "NativeScaleDynUNet",
        "filters": [32, 64, 128, 256, 512, 512],
        "strides": [1, [1, 2, 2], 2, 2, 2, [1, 2, 2]],
        "kernel_size": [[1, 3, 3], 3, 3, 3, 3, 3],
        "convolutions": 3,
    },
}
TRAINING = {"batch_size": 2, "epochs": 1000, "iterations_per_epoch": 250, "learning_rate": 0.01}


@pytest.mark.parametrize(("plan", "expected", "least", "most"), [("small", SMALL, 5.625, 5.635), ("big", BIG, 82, 85)])
def test_networks_are_those_of_the_paper(project, plan, expected, least, most):
    """Least and most: millions of parameters."""
    parser = shipped(project, "flare_pseudolabel", "train", plan=plan)
    wanted = {**expected, **TRAINING}
    assert {key: parser.get_parsed_content(key) for key in wanted} == wanted
    network = parser.get_parsed_content("network_def")
    count = sum(parameter.numel() for parameter in network.parameters())
    assert least < count / 1e6 < most
    kernels = [tensor for tensor in network.parameters() if tensor.dim() == 5 and tensor.numel() > 100_000]
    assert len(kernels) > 8
    for kernel in kernels:
        deviation = math.sqrt(2 / kernel[0].numel())
        assert float(kernel.detach().std()) == pytest.approx(deviation, rel=0.01), "He-normal initialisation"


def test_training_is_that_of_the_paper(flare):
    parser = flare.parser("train", epochs=1000)
    optimizer = parser.get_parsed_content("optimizer")
    group = optimizer.param_groups[0]
    assert isinstance(optimizer, torch.optim.SGD)
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.99, True, 3e-5)
    factor = parser.get_parsed_content("lr_scheduler").lr_lambdas[0]
    assert [factor(epoch) for epoch in (0, 500)] == pytest.approx([1, 0.5**0.9])


@pytest.mark.parametrize("bundle", ["batseg", "flare"])
def test_a_training_mirrors_the_plans_axes_alone(request, bundle):
    parser = request.getfixturevalue(bundle).parser("train", mirror_axes=[0, 2], intensity=INTENSITY)
    flips = [t for t in parser.get_parsed_content("train#preprocessing").transforms if type(t).__name__ == "RandFlipd"]
    assert [flip.flipper.spatial_axis for flip in flips] == [0, 2]
    inferers = (parser.get_parsed_content("validate#inferer"), parser.get_parsed_content("train#inferer"))
    assert not any(getattr(inferer, "mirror_axes", ()) for inferer in inferers), "validation does not, unless asked"


@pytest.mark.parametrize(
    ("bundle", "overlay", "bases"),
    [
        ("batseg_spine", "baseline", ["train"]),
        ("batseg_spine", "demo", ["train"]),
        ("batseg_spine", "few_steps", ["train"]),
        ("batseg_spine", "study_ablations", ["study"]),
        ("batseg_spine", "study_demo", ["study"]),
        ("batseg_spine", "study_headneck", ["study"]),
        ("batseg_spine", "study_hippocampus", ["study"]),
        ("batseg_spine", "study_improved", ["study"]),
        ("batseg_spine", "study_knight", ["study"]),
        ("batseg_spine", "study_phantoms", ["study", "study_improved"]),
        ("flare_pseudolabel", "few_steps", ["train"]),
        ("flare_pseudolabel", "demo", ["pipeline"]),
        ("flare_pseudolabel", "pipeline_hippocampus", ["pipeline"]),
        ("flare_pseudolabel", "pipeline_partial", ["pipeline"]),
        ("flare_pseudolabel", "pipeline_headneck", ["pipeline"]),
        ("flare_pseudolabel", "headneck_model", ["pipeline", "pipeline_headneck"]),
    ],
)
def test_overlays_set_only_what_there_is(project, bundle, overlay, bases):
    """Or what they themselves refer to: a name misspelt would change nothing, silently."""
    known = set(shipped(project, bundle, *bases).config)
    own = shipped(project, bundle, overlay).config
    referred = set(re.findall(r"@(\w+)", str(own)))
    assert set(own) <= known | referred


def test_the_default_classes_are_flares_and_the_default_groups_are_the_papers(project):
    assert tuple(shipped(project, "flare_pseudolabel", "train").get_parsed_content("class_names")) == FLARE_CLASSES
    cohort = Cohort("FLARE", FLARE_CLASSES, (14,), ())
    assert shipped(project, "flare_pseudolabel", "pipeline").get_parsed_content("groups") == default_group_rules(cohort)


@pytest.mark.parametrize(
    ("overlays", "trained", "scored"),
    [
        ([], 14, 13),  # the two-stage rows share a network
        (["study_ablations"], 13, 13),
        (["study_demo"], 14, 13),
        (["study_headneck"], 4, 10),
        (["study_hippocampus"], 3, 5),
        (["study_improved"], 10, 17),
        (["study_knight"], 14, 13),
        (["study_improved", "study_phantoms"], 3, 9),
    ],
)
def test_every_row_of_a_study_could_begin(project, tmp_path, overlays, trained, scored):
    places = {"dataset_dir": str(tmp_path), "work_dir": str(tmp_path / "study")}
    study = shipped(project, "batseg_spine", "study", *overlays, folds=[0], seeds=[0], **places)
    runs = study.get_parsed_content("study").runs
    assert sum(name.endswith("_scores") for name in runs) == scored
    trainings = [run for run in runs.values() if run.configs[0] == "train" and "evaluate" not in run.configs]
    assert len(trainings) == trained
