"""MetaImage and NRRD: voxels and geometry as ITK itself understands them."""

import numpy as np
import pytest
import SimpleITK as sitk

from custom.io.itk_image import read_itk_image, write_itk_image

from .scan_files import read_scan_file, turned, write_scan

AFFINE = turned("PIR", (10, -20, 30), (0.7, 0.9, 2.5))
ENDINGS = ("mha", "mhd", "nrrd", "nhdr")


def voxels(dtype=np.int16):
    return np.random.default_rng(0).integers(0, 200, (5, 6, 7)).astype(dtype)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_reads_what_itk_wrote(tmp_path, ending, dtype):
    file = write_scan(tmp_path / f"a.{ending}", voxels(dtype), AFFINE)
    found, affine = read_itk_image(file)
    assert found.dtype == dtype
    assert np.array_equal(found, voxels())
    assert np.allclose(affine, AFFINE, rtol=0, atol=1e-14)


@pytest.mark.parametrize("ending", ENDINGS)
def test_upper_and_mixed_case(tmp_path, ending):
    """ITK itself takes .mha alone for MetaImage."""
    file = write_scan(tmp_path / f"a.{ending}", voxels(), AFFINE)
    for other in (ending.upper(), ending.capitalize()):
        found, affine = read_itk_image(file.rename(tmp_path / f"b.{other}"))
        assert np.array_equal(found, voxels())
        assert np.allclose(affine, AFFINE, rtol=0, atol=1e-14)
        file = tmp_path / f"b.{other}"


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_itk_reads_what_is_written(tmp_path, ending):
    write_itk_image(tmp_path / f"a.{ending}", voxels(np.uint8), AFFINE)
    found, affine = read_scan_file(tmp_path / f"a.{ending}")
    assert found.dtype == np.uint8
    assert np.array_equal(found, voxels())
    assert np.allclose(affine, AFFINE, rtol=0, atol=1e-14)


def test_a_point_lies_where_itk_puts_it(tmp_path):
    """ITK's millimetres point left and back, these right and to the front."""
    file = write_scan(tmp_path / "a.mha", voxels(), AFFINE)
    point = sitk.ReadImage(str(file)).TransformIndexToPhysicalPoint((1, 2, 3))
    assert np.allclose((read_itk_image(file)[1] @ [1, 2, 3, 1])[:3], np.array(point) * [-1, -1, 1])


def test_other_dimensions_keep_their_shape(tmp_path):
    for name, array, is_vector in (("flat", np.zeros((4, 5)), False), ("colour", np.zeros((2, 4, 5, 3)), True)):
        sitk.WriteImage(
            sitk.GetImageFromArray(array.astype(np.uint8), isVector=is_vector), str(tmp_path / f"{name}.mha")
        )
    assert read_itk_image(tmp_path / "flat.mha")[0].shape == (5, 4)
    assert read_itk_image(tmp_path / "colour.mha")[0].shape == (5, 4, 2, 3)


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_a_damaged_file_is_named_in_one_line(tmp_path, ending):
    file = tmp_path / f"a.{ending}"
    write_itk_image(file, np.random.default_rng(0).integers(0, 200, (20, 20, 20)).astype(np.uint8), AFFINE)
    file.write_bytes(file.read_bytes()[:-3000])
    with pytest.raises(OSError) as error:
        read_itk_image(file)
    assert "\n" not in str(error.value)
