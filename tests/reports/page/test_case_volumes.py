"""Cropped volumes, read back from what the page carries."""

import base64
import gzip

import nibabel as nib
import numpy as np
import pytest

from custom.errors import InputError
from custom.reports.page.case_volumes import as_nifti, coarser, load_case


@pytest.fixture
def case(tmp_path):
    """A scan of 30 x 20 x 10 voxels of 2 x 1 x 3 mm stored from left to right, with a label of 3 x 2 x 1 voxels."""
    affine = np.diag([-2.0, 1.0, 3.0, 1.0])
    scan = np.arange(6000, dtype=np.int16).reshape(30, 20, 10)
    label = np.zeros((30, 20, 10), dtype=np.uint8)
    label[10:13, 8:10, 5] = 2
    label[0, 0, 0] = 255  # ignored
    for name, array in {"scan": scan, "label": label}.items():
        nib.save(nib.Nifti1Image(array, affine), tmp_path / f"{name}.nii.gz")
    return tmp_path


def test_cropped_to_the_label_and_a_margin_in_ras(case):
    found = load_case(case / "scan.nii.gz", {"truth": case / "label.nii.gz"}, margin_mm=6)
    assert found.spacing == (2.0, 1.0, 3.0)
    assert found.image.shape == (3 + 2 * 3, 2 + 2 * 6, 1 + 2 * 2)
    assert found.note == "9 x 14 x 5 of 30 x 20 x 10 voxels"
    assert np.argwhere(found.labels["truth"] == 2).min(axis=0).tolist() == [3, 6, 2]
    assert found.labels["truth"].max() == 2, "the ignore index is no class"
    assert found.image[0].mean() > found.image[-1].mean(), "turned: the largest values were stored last, at the left"


def test_embedded_files_are_niftis_of_the_scans_intensities(case):
    found = load_case(case / "scan.nii.gz", {"truth": case / "label.nii.gz"}, margin_mm=1000)
    image = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(as_nifti(found.image, found, is_scan=True))))
    assert image.header.get_zooms() == (2.0, 1.0, 3.0)
    assert image.get_data_dtype() == np.uint8
    middle = np.asarray(image.dataobj)[::-1][5:25]  # the outer half per cent is black and white
    assert np.abs(middle - np.arange(6000).reshape(30, 20, 10)[5:25]).max() <= 6000 / 255 / 2 + 1
    label = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(as_nifti(found.labels["truth"], found))))
    assert np.count_nonzero(np.asarray(label.dataobj)) == 6


def test_large_crops_are_thinned_along_the_finest_axes():
    assert coarser((512, 512, 100), (0.7, 0.7, 3.0), most=8_000_000) == [2, 2, 1]
    assert coarser((512, 512, 512), (1.0, 1.0, 1.0), most=20_000_000) == [2, 2, 2]
    assert coarser((10, 10, 10), (1.0, 1.0, 1.0)) == [1, 1, 1]


def test_another_grid_is_refused(case):
    nib.save(nib.Nifti1Image(np.ones((30, 20, 9), np.uint8), np.eye(4)), case / "other.nii.gz")
    with pytest.raises(InputError, match=r"other.nii.gz: shape \(30, 20, 9\) differs from \(30, 20, 10\) of .*scan"):
        load_case(case / "scan.nii.gz", {"truth": case / "label.nii.gz", "a": case / "other.nii.gz"})
