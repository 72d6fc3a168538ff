"""NIfTI headers that libraries take in different ways."""

import struct

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import LoadImage

from custom.errors import InputError
from custom.io.scan_reader import ScanReader
from custom.io.volume import read_volume

VOXELS = np.random.default_rng(0).integers(-500, 500, (4, 3, 5)).astype("<i2")
AFFINE = np.diag([1.0, 2, 3, 1])


@pytest.mark.parametrize("shape", [(4, 3, 5, 1), (4, 3, 5, 1, 1)])
def test_axes_of_one_entry_are_left_out(tmp_path, shape):
    """As MONAI loads it, and as many programs write it."""
    file = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(VOXELS.reshape(shape), AFFINE), file)
    assert np.array_equal(read_volume(str(file)).voxels, VOXELS)
    image = LoadImage(reader=ScanReader(), image_only=True, ensure_channel_first=True)(file)
    assert np.array_equal(image.numpy(), VOXELS[None])


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_voxels_inside_the_header(tmp_path, kind):
    """A vox_offset of 0, which nibabel follows: the header would be read as voxels."""
    file = tmp_path / "a.nii"
    nib.save(kind(VOXELS, AFFINE), file)
    content = bytearray(file.read_bytes())
    place, form = (108, "<f") if kind is nib.Nifti1Image else (168, "<q")
    struct.pack_into(form, content, place, 0)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.nii: its voxels begin inside its header"):
        read_volume(str(file))


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_slope_that_is_none(tmp_path, slope):
    file = tmp_path / "a.nii"
    nib.save(nib.Nifti1Image(VOXELS, AFFINE), file)
    content = bytearray(file.read_bytes())
    struct.pack_into("<2f", content, 112, slope, 5.0)
    file.write_bytes(content)
    volume = read_volume(str(file))
    assert (volume.slope, volume.intercept) == (1, 0)
    loaded = LoadImage(reader=ScanReader(), image_only=True)(file)
    assert np.array_equal(loaded.numpy(), VOXELS)


def test_big_endian_second_version_and_64_bits(tmp_path):
    header = nib.Nifti2Header(endianness=">")
    header.set_data_dtype(">i8")
    nib.save(nib.Nifti2Image(VOXELS.astype(">i8"), AFFINE, header), tmp_path / "a.nii.gz")
    volume = read_volume(str(tmp_path / "a.nii.gz"))
    assert np.array_equal(volume.voxels, VOXELS)
    assert np.array_equal(volume.affine, AFFINE)


def test_a_file_without_permission(tmp_path, as_nobody):
    file = tmp_path / "a.nii"
    nib.save(nib.Nifti1Image(VOXELS, AFFINE), file)
    file.chmod(0)
    with as_nobody(tmp_path), pytest.raises(InputError, match=r"cannot be read \(Permission denied\); correct its"):
        read_volume(str(file))
