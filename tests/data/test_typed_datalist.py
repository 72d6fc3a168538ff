"""The cases of a classifier: type, mask, and what is refused."""

from __future__ import annotations

import json
import logging

import nibabel as nib
import numpy as np
import pytest

from custom.data.typed_datalist import mask_problem, typed_datalist
from custom.datalist import HeldOut, LeftOut
from custom.errors import InputError

from .conftest import write

CLASSES = ["first", "second"]


@pytest.fixture
def masks(data):
    """Of the twelve cases; the first has more voxels of type 2 than of type 1, the second of none."""
    for number in range(12):
        write(data.parent / "masks" / f"c{number:02d}.nii.gz", np.ones((4, 4, 4), np.uint8))
    label = np.zeros((4, 4, 4), np.uint8)
    write(data / "labelsTr" / "c01.nii.gz", label)
    label[0, 0, :3] = 1, 2, 2
    write(data / "labelsTr" / "c00.nii.gz", label)
    return data.parent / "masks"


def cases(data, masks, section="training", **options):
    return typed_datalist(data, section, masks, class_names=CLASSES, held_out=HeldOut("all"), **options)


@pytest.mark.parametrize("validate", [True, False])
def test_the_type_of_most_voxels_and_no_case_without(data, masks, caplog, validate):
    with caplog.at_level(logging.WARNING):
        found = cases(data, masks, validate=validate, facts_file=data.parent / "facts.json")
    assert [case["type"] for case in found] == [1] + 6 * [0] + 4 * [1]
    assert [case["mask"][-10:] for case in found] == [f"c{number:02d}.nii.gz" for number in (0, *range(2, 12))]
    assert "1 of 12 training cases have several types, such as" in caplog.text
    assert "1 of 12 training cases have no type, such as" in caplog.text


def test_every_case_is_scored(data, masks):
    assert len(cases(data, masks, "validation")) == 12


def test_channels_of_a_raw_data_set_have_one_mask(data, masks):
    for file in (data / "imagesTr").iterdir():
        file.rename(file.with_name(file.name.replace(".nii.gz", "_0000.nii.gz")))
    (data / "dataset.json").write_text(json.dumps({"channel_names": {"0": "MRI"}, "file_ending": ".nii.gz"}))
    assert cases(data, masks)[0]["mask"] == str(masks / "c00.nii.gz")


def test_a_missing_mask_and_one_of_another_grid(data, masks):
    (masks / "c05.nii.gz").unlink()
    with pytest.raises(InputError, match=r"c05.nii.gz: there is no mask of .*imagesTr/c05.nii.gz; predict all scans"):
        cases(data, masks)
    write(masks / "c05.nii.gz", np.ones((4, 4, 5), np.uint8))
    with pytest.raises(InputError, match=r"c05.nii.gz: lies on another grid than"):
        cases(data, masks)
    left_out = LeftOut()
    assert len(cases(data, masks, "validation", left_out=left_out)) == 11
    (reason,) = left_out.reasons.values()
    assert "another grid" in reason


def test_a_scan_with_a_fourth_axis_of_one_has_a_mask_of_three(data, masks):
    """As inference writes it."""
    scan, mask = data / "imagesTr" / "c05.nii.gz", masks / "c05.nii.gz"
    image = nib.load(scan)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[..., None], image.affine), tmp := scan.with_name("x.nii.gz"))
    assert mask_problem(str(mask), str(tmp)) == ""
    nib.save(nib.Nifti1Image(np.zeros((*image.shape, 2)), image.affine), tmp)
    assert "lies on another grid" in mask_problem(str(mask), str(tmp))


def test_no_folder_of_masks(data):
    with pytest.raises(InputError, match="masks_dir is empty: predict all scans"):
        cases(data, "")
