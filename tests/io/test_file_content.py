"""Files of another format than their names say."""

import gzip

import numpy as np
import pytest

from custom.errors import InputError
from custom.io.file_content import refuse_other_content

from .scan_files import turned, write_scan, write_series

VOXELS = np.zeros((4, 3, 5), np.int16)


@pytest.fixture
def contents(tmp_path):
    """Ending -> the bytes of a sound file."""
    found = {}
    for ending in (".nii", ".nii.gz", ".nrrd", ".mha"):
        found[ending] = write_scan(tmp_path / f"sound{ending}", VOXELS, turned("LPS")).read_bytes()
    (file, *_) = write_series(tmp_path / "series", VOXELS, turned("LPS"))
    found[".dcm"] = file.read_bytes()
    return found


def test_sound_files_pass(tmp_path, contents):
    for ending in (".nii", ".nii.gz", ".nrrd", ".mha"):
        refuse_other_content(tmp_path / f"sound{ending}")
        upper = tmp_path / f"UPPER{ending.upper()}"
        upper.write_bytes(contents[ending])
        refuse_other_content(upper)


@pytest.mark.parametrize(
    ("content", "ending", "words"),
    [
        (".nii", ".nii.gz", "cannot be read (it holds NIfTI, not gzip data); rename it to end in .nii"),
        (".nii.gz", ".nii", "cannot be read (it holds gzip data, not NIfTI); rename it to end in .nii.gz, or dec"),
        (".nrrd", ".mha", "cannot be read (it holds NRRD, not MetaImage); rename it to end in .nrrd"),
        (".mha", ".nrrd", "cannot be read (it holds MetaImage, not NRRD); rename it to end in .mha"),
        (".dcm", ".nii", "cannot be read (it holds DICOM, not NIfTI); give it the ending .dcm, or none"),
        (b"", ".nii.gz", "cannot be read (it holds nothing, not gzip data); copy or export it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid", ".nii.gz", "holds a pointer of Git LFS, not gzip data); "),
        (b"<!DOCTYPE html><html>404</html>", ".nii.gz", "(it holds a web page, not gzip data); copy or export"),
        (b"PK\x03\x04abc", ".nrrd", "cannot be read (it holds a zip archive, not NRRD); unpack it"),
    ],
)
def test_another_content(tmp_path, contents, content, ending, words):
    file = tmp_path / f"a{ending}"
    file.write_bytes(contents.get(content, content))
    with pytest.raises(InputError) as error:
        refuse_other_content(file)
    assert str(error.value).startswith(f"{file}: ")
    assert words in str(error.value)


def test_what_is_not_known_is_left_to_the_reader(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"none of these" * 50)
    refuse_other_content(tmp_path / "a.nii")


def test_gzip_of_anything_is_gzip(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"no scan"))
    refuse_other_content(tmp_path / "a.nii.gz")
