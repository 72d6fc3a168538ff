"""A folder with model.pt and plan.yaml is enough: it is scored and labels as it was trained, or says what is wrong."""

import shutil

import numpy as np
import pytest
import torch
import yaml
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    ScaleIntensityRanged,
    Spacingd,
)

from custom.errors import find_input_error, input_error_message
from custom.io import ScanReader
from custom.networks import build_network
from custom.plans import read_plan

from ..small_bundle import TINY_PLAN
from .conftest import Bundle, columns_of, read_labels, rows, weights

SPACING = [1.9, 1.4, 1.7]  # along the arrays' axes, otherwise than in the plans
CLASSES = ["dark", "bright", "none"]
REPORTS = {"batseg_spine": "", "flare_pseudolabel": "validation"}
EVALUATION, INFERENCE = ("train", "evaluate"), ("inference",)


@pytest.fixture(scope="module", params=["batseg_spine", "flare_pseudolabel"])
def changed(request, project, tiny_dataset, tmp_path_factory) -> Bundle:
    """Each bundle after a training with another spacing and a further class than in its plan.

    At a learning rate of 0, which leaves weights that answer something everywhere.
    """
    bundle = Bundle(project / "bundles" / request.param, tiny_dataset, tmp_path_factory.mktemp("changed"))
    options = {"spacing": SPACING, "class_names": CLASSES, "learning_rate": 1e-30, "epochs": 1}
    bundle.run("train", iterations_per_epoch=1, **options)
    return bundle


def explicit_preprocessing(plan, spacing) -> Compose:
    """What the docs say of a scan's preparation, with MONAI's own transforms."""
    steps = [LoadImaged("image", image_only=True, reader=ScanReader), EnsureChannelFirstd("image")]
    steps += [Orientationd("image", plan["orientation"], labels=None)]
    steps += [Spacingd("image", spacing, mode="bilinear", dtype=torch.float32)]
    if plan["normalisation"] == "zscore":
        return Compose([*steps, NormalizeIntensityd("image")])
    lower, upper, mean, sd = (plan["intensity"][key] for key in ("lower", "upper", "mean", "sd"))
    scaled = ScaleIntensityRanged("image", lower, upper, (lower - mean) / sd, (upper - mean) / sd, clip=True)
    return Compose([*steps, scaled])


def explicit_labels(bundle, file, spacing) -> np.ndarray:
    """The label map of a scan by the weights, with everything but the inferer made here."""
    prepare = explicit_preprocessing(read_plan(bundle.models / "plan.yaml"), spacing)
    head = {"distance_channels": 4} if bundle.root.name == "batseg_spine" else {}
    network = build_network(TINY_PLAN["network"], 1, 4, [8, 8, 8], **head).eval()
    network.load_state_dict(weights(bundle.models))
    item = prepare({"image": str(file)})
    inferer = bundle.parser("inference", mirrored=False).get_parsed_content("inferer")
    with torch.no_grad():
        return inferer(item["image"][None], network)[0, 0].numpy().astype(np.uint8)


def test_labels_are_those_of_the_training_with_the_folder_alone(changed, tmp_path):
    scan = changed.dataset / "imagesTr" / "box_00.nii.gz"
    changed.run("inference", dataset_dir=str(scan), output_dir=str(tmp_path), mirrored="false")
    labels = read_labels(tmp_path / scan.name)
    assert len(np.unique(labels)) > 1
    assert np.array_equal(labels, explicit_labels(changed, scan, SPACING))
    assert not np.array_equal(labels, explicit_labels(changed, scan, [1.5, 1.1, 1.0])), "the spacing matters"


def test_scores_are_those_of_the_training_with_the_folder_alone(changed):
    changed.run("train", "evaluate", mirrored="false")
    output = changed.work / "output"
    tables = [rows(output / folder / "metrics_per_case.csv") for folder in (REPORTS[changed.root.name], "evaluation")]
    assert tables[0] == columns_of(tables[1], tables[0])
    assert {row["class"] for row in tables[1]} == set(CLASSES)


def refusal(bundle, names, folder, **options) -> str:
    """The line with which a run ends that leaves nothing."""
    with pytest.raises(Exception) as caught:
        bundle.run(*names, output_dir=str(folder / "output"), **options)
    assert not list(folder.glob("output/*.nii.gz"))
    line = input_error_message(find_input_error(caught.value))
    assert "\n" not in line
    return line


@pytest.mark.parametrize("names", [EVALUATION, INFERENCE])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"spacing": TINY_PLAN["spacing"]}, "spacing [1.9, 1.4, 1.7], not [1.5, 1.1, 1.0]"),
        ({"class_names": ["dark", "bright"]}, 'classes ["dark", "bright", "none"], not ["dark", "bright"]'),
        ({"class_names": ["bright", "dark", "none"]}, '"dark", "bright", "none"], not ["bright", "dark", "none"]'),
    ],
)
def test_what_contradicts_the_plan_is_refused(changed, tmp_path, names, options, said):
    line = refusal(changed, names, tmp_path, **options)
    assert line.startswith(f"{changed.models}/model.pt was trained with ")
    assert f"{said}: leave that option out" in line


def edit(**entries):
    return lambda plan: yaml.safe_dump({**plan, **entries})


@pytest.mark.parametrize(
    ("edited", "said"),
    [
        (edit(classes=["dark", "bright", "third"]), "models/model.pt does not fit the network (size mismatch for "),
        (edit(network={**TINY_PLAN["network"], "filters": [4, 8, 12]}), "models/model.pt does not fit the network ("),
        (edit(network={"name": "UNETT"}), "architecture: there is no network 'UNETT'"),
        (edit(spacings=[1, 1, 1]), "models/plan.yaml: has an unknown entry 'spacings'; a plan has name, classes"),
        (edit(spacing=[1, 1]), "models/plan.yaml: spacing is [1, 1]; it must be three sizes in mm above 0"),
        (lambda _: "classes: [dark", "models/plan.yaml: is not readable YAML (while parsing a flow sequence"),
        (lambda _: None, "models/plan.yaml is missing: it says what "),
    ],
    ids=["classes", "filters", "network", "unknown", "spacing", "unreadable", "missing"],
)
def test_a_plan_that_somebody_changed_is_refused_where_it_cannot_fit(trained_bundle, tmp_path, edited, said):
    models = shutil.copytree(trained_bundle.models, tmp_path / "models")
    text = edited(read_plan(models / "plan.yaml"))
    (models / "plan.yaml").unlink()
    if text is not None:
        (models / "plan.yaml").write_text(text)
    names = INFERENCE if trained_bundle.root.name == "batseg_spine" else EVALUATION
    line = refusal(trained_bundle, names, tmp_path, ckpt_dir=str(models))
    assert said in line
    if "does not fit" in said:
        assert line.endswith(f"the plan next to it, {models}/plan.yaml, is of another training")
