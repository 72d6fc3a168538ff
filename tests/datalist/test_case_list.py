"""A data list in a file."""

import pytest

from custom.datalist.case_list import read_case_list
from custom.errors import InputError
from custom.io.atomic_write import write_json


def test_a_list_is_read_as_it_was_written(tmp_path):
    cases = [{"image": "/d/a.nii.gz", "label": "/d/l.nii.gz", "annotated": [1, 3]}, {"image": "/d/b.nii.gz"}]
    write_json(tmp_path / "new" / "list.json", cases)
    assert read_case_list(str(tmp_path / "new" / "list.json")) == cases


@pytest.mark.parametrize("text", ["", "[{", "{}", '["a.nii.gz"]', '[{"label": "l.nii.gz"}]'])
def test_a_damaged_list_is_one_line(tmp_path, text):
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(InputError, match=r"^[^\n]*list\.json: [^\n]*list of cases[^\n]*; remove it, and run again$"):
        read_case_list(tmp_path / "list.json")
