"""Files appear whole or not at all."""

import json
import os

import pytest

from custom.io.atomic_write import replacing, write_json


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "a.json"
    write_json(file, {"x": 1})
    with pytest.raises(RuntimeError), replacing(file) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads(file.read_text()) == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_file_is_complete_before_it_has_its_name(tmp_path):
    file = tmp_path / "new" / "scan.nii.gz"
    with replacing(file) as temporary:
        assert temporary.name.endswith(".nii.gz")
        assert temporary.parent == file.parent
        assert not file.exists()
        temporary.write_text("whole")
    assert file.read_text() == "whole"


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has a umask")
@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_who_may_read_it_is_as_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with replacing(tmp_path / "a.nii.gz") as temporary:
            assert temporary.stat().st_mode & 0o777 == mode, "while it is written, too"
            temporary.write_bytes(b"label map")
    finally:
        os.umask(before)
    assert (tmp_path / "a.nii.gz").stat().st_mode & 0o777 == mode


def test_two_writers_at_once_do_not_meet(tmp_path):
    with replacing(tmp_path / "a") as one, replacing(tmp_path / "a") as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a").read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["n" * 248 + ".nii.gz", "肝" * 82 + ".nii.gz", os.fsdecode(b"\xe9.nii.gz")])
def test_every_name_that_the_disk_takes(tmp_path, name):
    """The temporary name is no longer than the file's own may be, and keeps its ending."""
    with replacing(tmp_path / name) as temporary:
        temporary.write_text("whole")
        assert temporary.name.endswith(".nii.gz")
    assert [file.name for file in tmp_path.iterdir()] == [name]
