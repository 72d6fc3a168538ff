"""Scores are measured by the voxel size that a file states, whatever a scan was resampled by."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate
from monai.data.utils import affine_to_spacing
from monai.transforms import LoadImaged

from custom.geometry.file_affine import STORED_AFFINE, file_affine, file_spacing
from custom.io import ScanReader
from custom.metrics import FlareSurfaceDice, HausdorffDistance95

LABEL = np.zeros((12, 8, 8), np.uint8)
LABEL[2:6, 2:6, 2:6] = 1


def loaded(folder, spacing):
    """A label as it comes to a metric: loaded, collated and taken out of the batch."""
    file = folder / "label.nii.gz"
    nib.save(nib.Nifti1Image(LABEL, np.diag([*spacing, 1.0])), file)
    item = LoadImaged("label", image_only=True, ensure_channel_first=True, reader=ScanReader)({"label": str(file)})
    return decollate_batch(list_data_collate([item]))[0]["label"], nib.load(file)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.9765625, 2.5)])
def test_the_files_own_voxel_size(tmp_path, spacing):
    label, file = loaded(tmp_path, spacing)
    assert file_spacing(label) == affine_to_spacing(torch.as_tensor(file.affine)).tolist()
    assert label.pixdim.tolist() != file_spacing(label), "its affine has no rounding of the header"


def test_a_surface_at_the_very_tolerance_counts(tmp_path):
    truth, _ = loaded(tmp_path, (1.0, 1.0, 1.0))
    metric = FlareSurfaceDice(num_classes=2, tolerances=2.0, tubular=[])
    metric([torch.roll(truth, 2, dims=1)], [truth])
    assert metric.aggregate().item() == 1
    distance = HausdorffDistance95(num_classes=2)
    distance([torch.roll(truth, 2, dims=1)], [truth])
    assert distance.aggregate().item() == 2


def test_a_volume_on_another_grid_has_its_own_affine():
    stored = np.diag([1.0, 1, 1, 1])
    moved = MetaTensor(torch.zeros(1, 2, 2, 2), affine=torch.diag(torch.tensor([2.0, 2, 2, 1], dtype=torch.float64)))
    moved.meta[STORED_AFFINE] = stored
    assert np.array_equal(file_affine(moved.affine, moved.meta), np.diag([2, 2, 2, 1]))
    assert file_spacing(moved) == [2, 2, 2]
    assert np.array_equal(file_affine(stored * (1 + 1e-9), moved.meta), stored)
    assert np.array_equal(file_affine(stored, None), stored)
