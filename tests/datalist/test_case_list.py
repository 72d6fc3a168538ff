"""A data list in a file."""

from custom.datalist.case_list import read_case_list, write_case_list


def test_a_list_is_read_as_it_was_written(tmp_path):
    cases = [{"image": "/d/a.nii.gz", "label": "/d/l.nii.gz", "annotated": [1, 3]}, {"image": "/d/b.nii.gz"}]
    write_case_list(tmp_path / "new" / "list.json", cases)
    assert read_case_list(str(tmp_path / "new" / "list.json")) == cases
