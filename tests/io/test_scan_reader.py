"""Scans of every format as MONAI's LoadImaged gives them to a bundle."""

import gzip
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from monai.transforms import LoadImaged

from custom.errors import InputError, find_input_error, input_error_message
from custom.io import ScanReader
from custom.io.volume import read_volume

from .scan_files import turned, write_scan, write_series

AFFINE = turned("LPS", (10, -20, 30), (0.7, 0.9, 2.5))
FORMATS = ["a.nii.gz", "a.nii", "a.mha", "a.mhd", "a.nrrd", "a.nhdr", "series"]
LOAD = {"keys": "image", "image_only": True, "ensure_channel_first": True, "reader": ScanReader}


def voxels(seed=0):
    return np.random.default_rng(seed).integers(-500, 1500, (6, 5, 4)).astype(np.int16)


def write(path, volume, affine=AFFINE):
    if path.suffix:
        write_scan(path, volume, affine)
    else:
        write_series(path, volume, affine)
    return str(path)


@pytest.mark.parametrize("name", FORMATS)
def test_one_scan_in_every_format(tmp_path, name):
    path = write(tmp_path / name, voxels())
    image = LoadImaged(**LOAD)({"image": path})["image"]
    assert image.shape == (1, 6, 5, 4)
    assert np.array_equal(image[0].numpy(), voxels())
    assert np.allclose(image.affine, AFFINE, atol=1e-6)
    assert np.allclose(image.meta["original_affine"], image.affine, rtol=0, atol=0)
    assert np.array_equal(image.meta["spatial_shape"], (6, 5, 4))
    assert image.meta["filename_or_obj"] == path


@pytest.mark.parametrize("name", ["{}.nii.gz", "{}.mha", "series_{}"])
def test_channels_in_several_files(tmp_path, name):
    files = [write(tmp_path / name.format(seed), voxels(seed)) for seed in (0, 1)]
    image = LoadImaged(**LOAD)({"image": files})["image"]
    assert np.array_equal(image.numpy(), np.stack([voxels(0), voxels(1)]))
    assert image.meta["filename_or_obj"] == files[0]


def message(case):
    with pytest.raises(Exception) as caught:
        LoadImaged(**LOAD)(case)
    return input_error_message(find_input_error(caught.value))


def test_channels_on_different_grids(tmp_path):
    files = [write(tmp_path / "0.mha", voxels()), write(tmp_path / "1.mha", voxels(), np.eye(4))]
    assert message({"image": files}).endswith(
        "1.mha: lies on another grid than " + files[0] + "; bring all channels onto one"
    )


def test_channels_of_one_grid_written_by_different_programs(tmp_path):
    """ITK writes a grid by its quaternion, which loses digits near a half turn: the data check takes them for one."""
    moved = AFFINE + np.array([[0, 2e-4, 0, 0], [0] * 4, [0] * 4, [0] * 4])
    assert not np.allclose(AFFINE, moved), "as MONAI compares them"
    files = [write(tmp_path / f"{number}.nii", voxels(number), grid) for number, grid in enumerate((AFFINE, moved))]
    image = LoadImaged(**LOAD)({"image": files})["image"]
    assert np.array_equal(image.numpy(), np.stack([voxels(0), voxels(1)]))
    assert np.allclose(image.affine, AFFINE, atol=1e-5), "the first one's"
    moved[0, 1] += 0.01
    assert "1.nii: lies on another grid than" in message(
        {"image": [files[0], write(tmp_path / "1.nii", voxels(), moved)]}
    )


def test_the_channel_that_cannot_be_read_is_named(tmp_path):
    files = [write(tmp_path / f"{number}.nii", voxels()) for number in (0, 1)]
    Path(files[1]).write_bytes(Path(files[1]).read_bytes()[:-20])
    assert message({"image": files}).startswith(files[1])


def test_a_bad_series_is_not_handed_to_another_reader(tmp_path):
    write_series(tmp_path, voxels(), AFFINE, skip=(1,))
    assert "so some are missing; export the series again" in message({"image": str(tmp_path)})


def test_a_missing_package_is_named_with_the_command(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mha", voxels())
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    assert message({"image": path}) == f"{path}: this format needs the package SimpleITK: pip install SimpleITK"
    assert LoadImaged(**LOAD)({"image": write_nifti(tmp_path)})["image"].shape == (1, 6, 5, 4)


def write_nifti(folder):
    return str(write_scan(folder / "b.nii.gz", voxels(), AFFINE))


def with_header(path, **fields):
    """A NIfTI file of other header entries than its voxels ask for: name -> (offset, format, values)."""
    places = {"dim": (40, "<8h"), "vox_offset": (108, "<f"), "srow_x": (280, "<4f"), "datatype": (70, "<h")}
    write(path, voxels())
    content = bytearray(gzip.decompress(path.read_bytes()))
    for name, values in fields.items():
        struct.pack_into(places[name][1], content, places[name][0], *values)
    path.write_bytes(gzip.compress(bytes(content)))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"dim": (3, 30000, 30000, 30000, 1, 1, 1, 1)}, "its header says 30000 x 30000 x 30000 voxels, more than"),
        ({"dim": (3, 0, 5, 4, 1, 1, 1, 1)}, "no voxels; export it again|has shape 0, 1D"),
        ({"dim": (3, -6, 5, 4, 1, 1, 1, 1)}, r"cannot be read \(ValueError: negative count\)"),
        ({"dim": (2, 30, 4, 1, 1, 1, 1, 1)}, "has shape 30 x 4, 2D; 3D is needed"),
        ({"vox_offset": (0.0,)}, r"its voxels begin inside its header \(vox_offset\)"),
        ({"vox_offset": (float("nan"),)}, r"cannot be read \(ValueError: cannot convert float NaN"),
        ({"srow_x": (float("nan"), 0, 0, 0)}, "is not invertible; set its spacing and orientation"),
        ({"datatype": (999,)}, r"cannot be read \(HeaderDataError: data code 999"),
    ],
)
def test_a_header_that_cannot_be_is_one_line_wherever_the_file_is_read(tmp_path, fields, said):
    """In the check of the data and without it; a header that asks for terabytes does not take them."""
    file = tmp_path / "a.nii.gz"
    with_header(file, **fields)
    with pytest.raises(InputError, match=rf"^{file}: .*({said})"):
        read_volume(str(file))
    with pytest.raises(Exception) as caught:
        LoadImaged(**LOAD)({"image": str(file)})
    error = find_input_error(caught.value)
    assert error is not None
    assert re.match(rf"^{file}: .*({said})", input_error_message(error))
