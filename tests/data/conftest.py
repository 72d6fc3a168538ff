"""A data set of twelve cases, and its list with the options of what is held out by name."""

from dataclasses import fields

import nibabel as nib
import numpy as np
import pytest

from custom.data.labelled_datalist import labelled_datalist
from custom.datalist import HeldOut

HELD_OUT = [field.name for field in fields(HeldOut)]


def listed_cases(dataset, section, class_names, **options):
    """The list of cases; options of `HeldOut` are given as if they were the list's own."""
    held_out = HeldOut(**{key: options.pop(key) for key in HELD_OUT if key in options})
    return labelled_datalist(dataset, section, class_names, held_out=held_out, **options)


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
