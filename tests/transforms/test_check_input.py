"""The input check within a preparation: one line, a mark with the image, nothing else changed."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from custom.fingerprint.input_check import UNUSUAL
from custom.transforms import CheckInputd

RANGES = {
    "axes": ["RAS"],
    "tilt": 0.0,
    "spacing": {axis: [1.0, 1.0] for axis in "RAS"},
    "extent": {axis: [8.0, 8.0] for axis in "RAS"},
    "intensity": [
        {"raw": {key: [0.0, 1.0] for key in ("low", "median", "high")}}
        | {"standardised": {"low": [-1.7, -1.7], "median": [0.0, 0.0], "high": [1.7, 1.7]}}
    ],
}
PLAN = {"channels": ["T1"], "normalisation": "zscore", "fingerprint": {"scans": RANGES}}


@pytest.mark.parametrize(("spacing", "lines"), [(1.0, 0), (4.0, 1)])
def test_an_unusual_scan_is_one_line_and_a_mark(caplog, spacing, lines):
    voxels = torch.linspace(0, 1, 512).reshape(1, 8, 8, 8)
    image = MetaTensor(voxels, affine=np.diag([spacing] * 3 + [1]), meta={"filename_or_obj": "/scans/a.nii.gz"})
    found = CheckInputd("image", PLAN)({"image": image})["image"]
    assert torch.equal(found.as_tensor(), voxels)
    said = [one.message for one in caplog.records]
    assert len(said) == lines
    assert bool(found.meta[UNUSUAL]) == bool(lines)
    if lines:
        assert found.meta[UNUSUAL] == (
            "spacing 4 x 4 x 4 mm (training 1 x 1 x 1); extent 32 x 32 x 32 mm (training 8 x 8 x 8)"
        )
        assert (
            said[0] == f"/scans/a.nii.gz: unlike the scans of the training: {found.meta[UNUSUAL]}; check its label map"
        )


@pytest.mark.parametrize(("codes", "said"), [((0, 0), True), ((0, 1), False), ((2, 0), False)])
def test_a_header_without_orientation_is_told_of(codes, said):
    meta = dict(zip(("sform_code", "qform_code"), map(np.int16, codes), strict=True))
    image = MetaTensor(torch.linspace(0, 1, 512).reshape(1, 8, 8, 8), affine=np.eye(4), meta=meta)
    found = CheckInputd("image", PLAN)({"image": image})["image"].meta[UNUSUAL]
    assert (found == "its header says no orientation, LAS is assumed: left and right may be swapped") == said
    assert bool(found) == said
