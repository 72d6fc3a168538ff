"""Training, scoring and prediction read a scan on one and the same grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import Compose, RandomizableTrait

from custom.plans import read_plan, write_plan

from ..io.scan_files import turned, write_scan
from ..small_bundle import PLANS
from .conftest import Bundle, read_labels, rows

OBLIQUE = turned("PIR", (10, -20, 30), (1.3, 0.9, 1.7))
SHAPE = (14, 17, 13)
INTENSITY = {"lower": -3.0, "upper": 3.0, "mean": 0.0, "sd": 1.0}


@pytest.fixture(params=["batseg_spine", "flare_pseudolabel"])
def bundle(request, project, tmp_path) -> Bundle:
    return Bundle(project / "bundles" / request.param, tmp_path, tmp_path)


def case(folder, affine):
    """Noise, and a label of three values."""
    random = np.random.default_rng(0)
    volumes = {
        "image": random.normal(size=SHAPE).astype(np.float32),
        "label": random.integers(0, 3, SHAPE).astype(np.uint8),
    }
    return {name: str(write_scan(folder / f"{name}.nii.gz", volume, affine)) for name, volume in volumes.items()}


def preprocessing(bundle, entry, *configs, plain=False, **options):
    """The deterministic transforms of an entry; plain: of a training, read by MONAI's own reader."""
    parser = bundle.parser(*configs, **options, intensity=INTENSITY)
    if plain:
        del parser.get()["train"]["deterministic_transforms"][0]["reader"]
    steps = parser.get_parsed_content(entry).transforms
    random = [index for index, step in enumerate(steps) if isinstance(step, RandomizableTrait)]
    return Compose(steps[: random[0]] if random else steps)


def assert_same_image(one, other):
    assert torch.equal(one.as_tensor(), other.as_tensor())
    assert torch.equal(one.affine, other.affine)
    assert np.array_equal(one.meta["original_affine"], other.meta["original_affine"])


def test_a_scan_at_an_angle_is_prepared_for_scoring_and_training_as_for_inference(bundle, tmp_path):
    oblique = case(tmp_path, OBLIQUE)
    bundle.save_plan(intensity=INTENSITY)
    image = preprocessing(bundle, "preprocessing", "inference")({"image": oblique["image"]})["image"]
    scored = preprocessing(bundle, "validate#preprocessing", "train", "evaluate")(oblique)
    trained = preprocessing(bundle, "train#preprocessing", "train")(oblique)
    assert_same_image(scored["image"], image)
    assert_same_image(trained["image"], image)
    assert np.array_equal(scored["label"][0].numpy(), read_labels(oblique["label"])), "on the scan's own grid"
    assert trained["label"].shape == image.shape
    assert torch.equal(trained["label"].affine, image.affine)
    assert set(trained["label"].unique().tolist()) == {0, 1, 2}


def test_a_real_scan_at_an_angle(bundle, shared_data):
    file = shared_data / "spine" / "t2_axial_thick.nii.gz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    coarse = bundle.work / "coarse.yaml"
    write_plan(coarse, {**PLANS[bundle.root.name], "spacing": [7.0, 2.0, 2.0]})
    images = [
        preprocessing(bundle, *entry, planned=read_plan(coarse))({"image": str(file)})["image"]
        for entry in (("preprocessing", "inference"), ("validate#preprocessing", "train"))
    ]
    assert_same_image(*images)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 2.5, 1.25), (3.0, 0.75, 0.8)])
def test_along_the_axes_training_is_as_with_monais_reader(bundle, tmp_path, spacing):
    """To the last bit, where a header of single precision holds the voxel's size in six digits."""
    straight = case(tmp_path, turned("LPS", spacing=spacing))
    one, other = (
        preprocessing(bundle, "train#preprocessing", "train", plain=plain)(straight) for plain in (False, True)
    )
    assert torch.equal(one["image"].as_tensor(), other["image"].as_tensor())
    assert torch.equal(one["label"].as_tensor(), other["label"].as_tensor())


def test_along_the_axes_the_rounding_of_a_header_is_nothing_to_an_image(bundle, tmp_path):
    straight = case(tmp_path, turned("LPS", spacing=(0.9765625, 0.47, 0.7)))
    one, other = (
        preprocessing(bundle, "train#preprocessing", "train", plain=plain)(straight) for plain in (False, True)
    )
    assert torch.allclose(one["image"].as_tensor(), other["image"].as_tensor(), rtol=0, atol=2e-4)
    assert torch.equal(one["label"].as_tensor(), other["label"].as_tensor())


def test_evaluate_scores_the_label_maps_that_inference_writes(trained_bundle, tmp_path):
    """The scans lie at an angle."""
    labels = tmp_path / "labels"
    trained_bundle.run("inference", output_dir=str(labels), mirrored="false")
    trained_bundle.run("train", "evaluate", output_dir=str(tmp_path), mirrored="false")
    scores = rows(tmp_path / "evaluation" / "metrics_per_case.csv")
    assert len(scores) == 4
    for row in scores:
        truth = read_labels(trained_bundle.dataset / "labelsTr" / f"{row['case']}.nii.gz")
        value = 1 + ["dark", "bright"].index(row["class"])
        masks = [volume == value for volume in (truth, read_labels(labels / f"{row['case']}.nii.gz"))]
        expected = 2 * np.sum(masks[0] & masks[1]) / (masks[0].sum() + masks[1].sum())
        assert float(row["dice"]) == pytest.approx(expected, abs=1e-6)
