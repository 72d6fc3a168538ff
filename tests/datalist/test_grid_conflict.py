"""A label map of another series is told by its grid."""

import nibabel as nib
import numpy as np
import pytest

from custom.data.inference_datalist import inference_datalist
from custom.datalist.grid_conflict import has_another_grid, refuse_other_files
from custom.errors import InputError
from custom.io.scan_reader import read_scan

from ..io.scan_files import turned, write_series

VOXELS = np.arange(60, dtype=np.int16).reshape(5, 4, 3)


def label_of(scan, file):
    voxels, affine = read_scan(str(scan))
    nib.save(nib.Nifti1Image(voxels.astype(np.uint8), affine), file)


def other(affine, shift=0.0):
    moved = affine.copy()
    moved[0, 3] += shift
    return moved


def test_its_own_another_shape_another_place(tmp_path):
    write_series(tmp_path / "one", VOXELS, turned("LPS"))
    write_series(tmp_path / "longer", np.zeros((5, 4, 6), np.int16), turned("LPS"), uid="1.2.9")
    write_series(tmp_path / "elsewhere", VOXELS, other(turned("LPS"), 1.0), uid="1.2.8")
    label_of(tmp_path / "one", tmp_path / "label.nii.gz")
    found = [has_another_grid(tmp_path / "label.nii.gz", str(tmp_path / one)) for one in ("one", "longer", "elsewhere")]
    assert found == [False, True, True]


def test_nothing_there_or_nothing_readable(tmp_path):
    write_series(tmp_path / "one", VOXELS, turned("LPS"))
    (tmp_path / "empty.nii.gz").touch()
    assert not has_another_grid(tmp_path / "none.nii.gz", str(tmp_path / "one"))
    assert not has_another_grid(tmp_path / "empty.nii.gz", str(tmp_path / "one"))
    assert not has_another_grid(tmp_path / "empty.nii.gz", str(tmp_path / "nowhere"))


def test_a_stream_that_is_none_is_replaced(tmp_path):
    write_series(tmp_path / "one", VOXELS, turned("LPS"))
    (tmp_path / "label.nii.gz").write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\xff" * 40)
    assert not has_another_grid(tmp_path / "label.nii.gz", str(tmp_path / "one"))
    refuse_other_files([tmp_path / "label.nii.gz", tmp_path / "none.nii.gz"])


def test_labels_made_by_hand_and_other_scans_stay(tmp_path):
    """An output folder may be mistyped."""
    voxels = np.zeros((4, 4, 4))
    for name, dtype in {"labelsTs/a": np.uint8, "scans/a": np.int16, "done/a": np.uint8}.items():
        (tmp_path / name).parent.mkdir()
        nib.save(nib.Nifti1Image(voxels.astype(dtype), np.eye(4)), tmp_path / f"{name}.nii.gz")
    refuse_other_files([tmp_path / place / "a.nii.gz" for place in ("done", "labelsTs")])
    (tmp_path / "imagesTs").mkdir()
    with pytest.raises(InputError, match=r"labelsTs/a.nii.gz is the label of a case in imagesTs, perhaps made by hand"):
        refuse_other_files([tmp_path / "labelsTs" / "a.nii.gz"])
    with pytest.raises(
        InputError, match=r"scans/a.nii.gz is there and is no label map that was written here .int16 vox"
    ):
        refuse_other_files([tmp_path / "scans" / "a.nii.gz"])


@pytest.mark.parametrize("overwrite", [True, False])
def test_patients_one_by_one_into_one_folder(tmp_path, overwrite):
    """Each holds its series in a folder of one name: the label map of one is not taken for the other's."""
    for patient, shift, uid in (("p1", 0.0, "1.2.3"), ("p2", 7.0, "1.2.4")):
        write_series(tmp_path / patient / "DICOM", VOXELS, other(turned("LPS"), shift), uid=uid)
    output = tmp_path / "labels"
    output.mkdir()
    label_of(tmp_path / "p1" / "DICOM", output / "DICOM.nii.gz")
    assert len(inference_datalist(tmp_path / "p1", output, overwrite)) == overwrite
    with pytest.raises(
        InputError, match=r"labels/DICOM.nii.gz is there and lies on another grid than .*p2/DICOM, as the"
    ):
        inference_datalist(tmp_path / "p2", output, overwrite)
