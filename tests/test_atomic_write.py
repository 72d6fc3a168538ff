"""Files appear whole or not at all."""

import json

import pytest

from custom.atomic_write import replacing, write_json


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
