"""Networks of MONAI in place of the method's own, from an overlay of a few lines, with the distance head on them."""

import numpy as np
import pytest
import yaml

from custom.plans import read_plan

from ..networks.architectures import MEDNEXT
from .conftest import read_labels, rows, weights

SWIN = {"name": "SwinUNETR", "feature_size": 12}


@pytest.mark.parametrize(
    ("architecture", "patch_size"),
    [(SWIN, [64, 32, 32]), (MEDNEXT, [8, 8, 8])],
    ids=["SwinUNETR", "MedNeXt"],
)
def test_it_trains_with_the_distance_head_and_labels_with_its_folder_alone(batseg, architecture, patch_size):
    values = yaml.safe_load(batseg.overlay.read_text())
    overlay = {"architecture": architecture, "patch_size": patch_size, "epochs": 1, "iterations_per_epoch": 1}
    batseg.overlay.write_text(yaml.safe_dump(values | overlay))
    batseg.run("train", batch_size=1)
    assert float(rows(batseg.work / "output" / "log.csv")[-1]["loss/boundary_aware"]) > 0
    assert any(key.startswith("head.") for key in weights(batseg.models)), "the distance head"
    assert read_plan(batseg.models / "plan.yaml")["network"] == architecture
    batseg.overlay.write_text(yaml.safe_dump({"num_workers": 0}))
    scan = batseg.dataset / "imagesTr" / "box_00.nii.gz"
    batseg.run("inference", dataset_dir=str(scan), output_dir=str(batseg.work / "labels"), mirrored="false")
    assert set(np.unique(read_labels(batseg.work / "labels" / scan.name))) <= {0, 1, 2}
