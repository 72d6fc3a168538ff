"""A data set of twelve cases."""

import nibabel as nib
import numpy as np
import pytest


def write(path, voxels):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)


@pytest.fixture
def data(tmp_path):
    """Twelve cases, eight of type 1 and four of type 2."""
    for number in range(12):
        noise = np.random.default_rng(number).normal(size=(4, 4, 4)).astype(np.float32)
        label = np.zeros((4, 4, 4), np.uint8)
        label[1, 1, 1] = 1 if number < 8 else 2
        write(tmp_path / "set" / "imagesTr" / f"c{number:02d}.nii.gz", noise)
        write(tmp_path / "set" / "labelsTr" / f"c{number:02d}.nii.gz", label)
    return tmp_path / "set"
