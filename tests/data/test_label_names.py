"""Names of predicted label maps in every layout."""

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import LoadImaged, SaveImaged

from custom.data.label_names import CaseNames, confidence_file, label_file, label_name
from custom.workflows.work_folder import StageFolder


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


def test_a_confidence_map_is_named_after_its_label(tmp_path):
    meta = {"filename_or_obj": str(tmp_path / "scan.1.nii")}
    assert confidence_file(meta, None) == {"subject": "scan.1_confidence.nii.gz"}


def test_scans_that_share_a_file_name_are_told_apart_by_their_case():
    names = {"/amos/0001.nii.gz": "AMOS_0001", "/msd/0001.nii.gz": "MSD_0001"}
    labels, confidences = CaseNames(names), CaseNames(names, "_confidence")
    metas = [{"filename_or_obj": file} for file in names]
    assert [labels(meta)["subject"] for meta in metas] == ["AMOS_0001.nii.gz", "MSD_0001.nii.gz"]
    assert [confidences(meta, object())["subject"] for meta in metas] == [
        "AMOS_0001_confidence.nii.gz",
        "MSD_0001_confidence.nii.gz",
    ]


@pytest.mark.parametrize("name", ["plain", "with.dots.1", "with blank", "scan_0000", "ends.gz", "ends.nii.gz"])
def test_monai_saves_a_case_where_its_pipeline_looks_for_it(tmp_path, name):
    scan = tmp_path / "scan.nii"
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4)), scan)
    case = LoadImaged("image", ensure_channel_first=True)({"image": str(scan)})
    save = SaveImaged(
        "image",
        output_dir=tmp_path / "out",
        output_postfix="",
        separate_folder=False,
        output_name_formatter=CaseNames({str(scan): name}),
        print_log=False,
    )
    save(case)
    assert [file.name for file in (tmp_path / "out").iterdir()] == [StageFolder(tmp_path).merged(name).name]
