"""Names of predicted label maps in every layout."""

import pytest

from custom.data.label_names import label_file, label_name


@pytest.mark.parametrize(
    ("files", "scan", "name"),
    [
        (["a.nii.gz"], "a.nii.gz", "a"),
        (["scan.1.nii"], "scan.1.nii", "scan.1"),
        (["scan_0000.nii.gz"], "scan_0000.nii.gz", "scan_0000"),
        (["scan_0000.nii.gz", "scan_0001.nii.gz"], "scan_0000.nii.gz", "scan"),
        (["imagesTs/case_0000.nii.gz"], "imagesTs/case_0000.nii.gz", "case"),
        (["imagesTr/case_0000.nii.gz", "labelsTr/case.nii.gz"], "imagesTr/case_0000.nii.gz", "case"),
        (["imagesTr/s_0000.nii.gz", "labelsTr/s_0000.nii.gz"], "imagesTr/s_0000.nii.gz", "s_0000"),
        (["imagesTr/s_0007.nii.gz"], "imagesTr/s_0007.nii.gz", "s_0007"),
    ],
)
def test_name(tmp_path, files, scan, name):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert label_name(tmp_path / scan) == name
    assert label_file({"filename_or_obj": str(tmp_path / scan)})["subject"] == f"{name}.nii.gz"
