"""Folders that cannot be written are named before any work."""

import pytest

from custom.engines import make_writable
from custom.errors import InputError


def test_creates_nested_folders(tmp_path):
    make_writable(str(tmp_path / "a" / "b"), str(tmp_path / "c"))
    assert (tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "c").iterdir())


def test_a_folder_that_is_named_like_a_scan(tmp_path):
    with pytest.raises(InputError, match=r"a.nii.gz would be a folder, and is named like a scan: pass another"):
        make_writable(str(tmp_path / "a.nii.gz"))
    (tmp_path / "v1.nii").mkdir()
    make_writable(str(tmp_path / "v1.nii"))


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/out cannot be written \(.*\): pass another --output_dir"):
        make_writable(str(tmp_path / "file" / "out"))
    with pytest.raises(InputError, match=r"file/out cannot be written \(.*\): take another"):
        make_writable(str(tmp_path / "file" / "out"), remedy="take another")
