"""Units of NIfTI headers: a scan is of one size whichever unit it is written in."""

import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import LoadImage

from custom.errors import InputError
from custom.io import ScanReader
from custom.io.nifti_header import label_header
from custom.io.scan_reader import read_scan
from custom.io.volume import read_volume

from .scan_files import turned

AFFINE = turned("PIR", (10, -20, 30), (0.7, 0.9, 2.5))


@pytest.mark.parametrize(("unit", "millimetres"), [("meter", 1000), ("micron", 0.001), ("mm", 1), ("unknown", 1)])
def test_a_scan_lies_at_one_place_whatever_its_unit(tmp_path, unit, millimetres):
    file = str(tmp_path / "scan.nii.gz")
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.diag([1 / millimetres] * 3 + [1]) @ AFFINE)
    image.header.set_xyzt_units(unit, "sec")
    nib.save(image, file)
    loaded = LoadImage(reader=ScanReader, image_only=True)(file)
    for affine in (read_volume(file).affine, read_scan(file)[1], loaded.affine, loaded.meta["original_affine"]):
        assert np.allclose(affine, AFFINE, atol=1e-5)


def test_a_label_map_takes_no_header_of_another_shape_or_format(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5)), AFFINE), tmp_path / "scan.nii")
    assert label_header(str(tmp_path / "scan.nii"), (3, 4, 5)) is not None
    assert label_header(str(tmp_path / "scan.nii"), (3, 4, 6)) is None
    assert label_header(str(tmp_path / "scan.mha"), (3, 4, 5)) is None
    assert label_header(str(tmp_path / "gone.nii"), (3, 4, 5)) is None


def test_a_label_map_has_the_geometry_of_a_scan_with_a_fourth_axis_of_one(tmp_path):
    """Sform and qform that disagree are kept both, as they are."""
    image = nib.Nifti1Image(np.zeros((3, 4, 5, 1), np.int16), np.diag([-1.3, 1.3, 1.3, 1]))
    image.set_qform(np.diag([1.3, 1.3, 1.3, 1]), code=2)
    nib.save(image, tmp_path / "scan.nii")
    header = label_header(str(tmp_path / "scan.nii"), (3, 4, 5))
    assert header.get_data_shape() == (3, 4, 5)
    assert header["qform_code"] == 2
    np.testing.assert_allclose(header.get_qform(), np.diag([1.3, 1.3, 1.3, 1]), atol=1e-6)
    np.testing.assert_allclose(header.get_sform(), np.diag([-1.3, 1.3, 1.3, 1]), atol=1e-6)


@pytest.mark.parametrize("sform_code", [1, 2])
def test_voxel_sizes_that_contradict_the_only_valid_form_are_not_believed(tmp_path, sform_code):
    """nipype 3266: pixdim of 1 mm next to an sform of 2 x 3 x 4 mm, and no valid qform."""
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), affine)
    image.set_sform(affine, sform_code)
    image.set_qform(None, 0)
    image.header["pixdim"][1:4] = 1
    nib.save(image, tmp_path / "a.nii.gz")
    assert nib.load(tmp_path / "a.nii.gz").header.get_zooms() == (1, 1, 1)
    for found in (read_scan(str(tmp_path / "a.nii.gz"))[1], read_volume(str(tmp_path / "a.nii.gz")).affine):
        np.testing.assert_allclose(found, affine)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
@pytest.mark.parametrize(("codes", "refused"), [((0, 0), True), ((0, 1), True), ((1, 0), False)])
def test_no_voxel_size_is_not_taken_for_a_millimetre(tmp_path, name, codes, refused):
    """nibabel makes 1 of a pixdim of 0; a valid sform has the size itself."""
    nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.int16), AFFINE), tmp_path / "whole.nii")
    content = bytearray((tmp_path / "whole.nii").read_bytes())
    struct.pack_into("<f", content, 88, 0.0)  # pixdim[3]
    struct.pack_into("<2h", content, 252, *reversed(codes))  # qform_code, sform_code
    opened = gzip.open if name.endswith(".gz") else open
    with opened(tmp_path / name, "wb") as file:
        file.write(content)
    for read in (read_volume, read_scan):
        if refused:
            with pytest.raises(InputError, match=r"scan\.nii.*: says no voxel size \(pixdim 0\); export it again"):
                read(str(tmp_path / name))
        else:
            read(str(tmp_path / name))
