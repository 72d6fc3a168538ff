"""Formats by file name."""

import pytest

from custom.io.image_formats import ending_of, has_mixed_case, is_itk, is_nifti, label_ending, scan_name


@pytest.mark.parametrize(
    ("file", "name", "ending", "label"),
    [
        ("/x/a.nii.gz", "a", ".nii.gz", ".nii.gz"),
        ("a.b.nii", "a.b", ".nii", ".nii"),
        ("A.NII.GZ", "A", ".NII.GZ", ".nii.gz"),
        ("A.MHA", "A", ".MHA", ".mha"),
        ("A.Mhd", "A", ".Mhd", ".mha"),
        ("a.mha", "a", ".mha", ".mha"),
        ("a.mhd", "a", ".mhd", ".mha"),
        ("a.seg.nrrd", "a.seg", ".nrrd", ".nrrd"),
        ("a.nhdr", "a", ".nhdr", ".nrrd"),
        ("/x/series", "series", "", ".nii.gz"),
        ("IM0001.dcm", "IM0001.dcm", "", ".nii.gz"),
        ("a.gz", "a.gz", "", ".nii.gz"),
    ],
)
def test_names_and_endings(file, name, ending, label):
    assert scan_name(file) == name
    assert ending_of(file) == ending
    assert label_ending(file) == label
    assert is_nifti(file) == (".nii" in file.lower())
    assert is_itk(file) == (ending.lower() in (".mha", ".mhd", ".nrrd", ".nhdr"))


def test_names_that_nibabel_does_not_find():
    assert [name for name in ("a.nii", "a.NII.GZ", "a.nii.GZ", "A.Mha", "A.b") if has_mixed_case(name)] == []
    assert has_mixed_case("a.Nii.gz")
    assert has_mixed_case("/X/a.nII")
