"""Names of predicted label maps in every layout."""

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import LoadImaged, SaveImaged

from custom.data import LabelFolder, LabelNames
from custom.data.label_names import CaseNames, label_file, label_name, label_names, with_suffix
from custom.errors import InputError
from custom.workflows.work_folder import StageFolder

from .scan_files import turned, write_series


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
    ending = ".nii" if scan.endswith(".nii") else ".nii.gz"
    assert label_file({"filename_or_obj": str(tmp_path / scan)})["subject"] == f"{name}{ending}"


def series(folder, **options):
    return write_series(folder, np.zeros((4, 4, 2), np.int16), turned("LPS"), **options)


class TestNamesOfAFolder:
    def test_files_keep_their_names(self, tmp_path):
        files = ["a.nii.gz", "b.nii", "c.mha", "d.mhd", "e.nrrd", "f.nhdr"]
        names = label_names(str(tmp_path / file) for file in files)
        assert list(names.values()) == ["a.nii.gz", "b.nii", "c.mha", "d.mha", "e.nrrd", "f.nrrd"]

    def test_series_are_named_after_their_folders(self, tmp_path):
        for folder in ("p1/chest", "p2/chest", "p3/head"):
            series(tmp_path / folder)
        names = label_names(str(tmp_path / folder) for folder in ("p1/chest", "p2/chest", "p3/head"))
        assert list(names.values()) == ["p1_chest.nii.gz", "p2_chest.nii.gz", "head.nii.gz"]

    def test_as_many_folders_as_it_takes(self, tmp_path):
        folders = ["p/a/x/ct", "p/b/x/ct", "p/b/y/ct"]
        for folder in folders:
            series(tmp_path / folder)
        names = label_names(str(tmp_path / folder) for folder in folders)
        assert list(names.values()) == ["a_x_ct.nii.gz", "b_x_ct.nii.gz", "y_ct.nii.gz"]

    def test_several_series_in_a_folder(self, tmp_path):
        series(tmp_path / "p1", names="a{}", number=3, description="T2 sag / fs")
        series(tmp_path / "p1", names="b{}", number=4)
        for letter, uid in (("c", "1.2.100000001"), ("d", "1.2.200000002")):
            series(tmp_path / "p1", names=letter + "{}", number=5, uid=uid)
        names = label_names(str(tmp_path / "p1" / f"{letter}0") for letter in "abcd")
        assert list(names.values()) == [
            "p1_3_T2_sag_fs.nii.gz",
            "p1_4.nii.gz",
            "p1_5_00000001.nii.gz",
            "p1_5_00000002.nii.gz",
        ]

    def test_a_series_beside_a_file_of_its_name(self, tmp_path):
        series(tmp_path / "p1" / "a")
        names = label_names([str(tmp_path / "a.mha"), str(tmp_path / "p1" / "a")])
        assert list(names.values()) == ["a.mha", "p1_a.nii.gz"]

    def test_one_name_for_two_is_refused(self, tmp_path):
        series(tmp_path / "p1" / "a")
        series(tmp_path / "p2" / "a")
        scans = [str(tmp_path / scan) for scan in ("p1_a.mha", "p1/a", "p2/a")]
        with pytest.raises(InputError, match=r"/a and .*p1_a\.mha would both be labelled as p1_a; rename one of them"):
            label_names(scans)

    def test_for_saving(self, tmp_path):
        for folder in ("p1/ct", "p2/ct"):
            series(tmp_path / folder)
        (tmp_path / "scan.1.mha").touch()
        plain, confidence = LabelNames(tmp_path), LabelNames(tmp_path, "_confidence")
        segmentation = LabelNames(tmp_path, ending=".dcm")
        for scan, name, ending in (("p2/ct", "p2_ct", ".nii.gz"), ("scan.1.mha", "scan.1", ".mha")):
            meta = {"filename_or_obj": str(tmp_path / scan)}
            assert plain(meta) == {"subject": name + ending}
            assert confidence(meta, object()) == {"subject": f"{name}_confidence{ending}"}
            assert segmentation(meta) == {"subject": f"{name}.dcm"}

    @pytest.mark.parametrize("folder", [".", "nowhere"])
    def test_a_scan_from_elsewhere_is_named_by_itself(self, tmp_path, folder):
        series(tmp_path / "elsewhere" / "ct")
        names = LabelNames(tmp_path / "other" / folder)
        (tmp_path / "other").mkdir()
        assert names({"filename_or_obj": "/scans/a.nrrd"}) == {"subject": "a.nrrd"}
        assert names({"filename_or_obj": str(tmp_path / "elsewhere" / "ct")}) == {"subject": "ct.nii.gz"}


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
        folder_layout=LabelFolder(tmp_path / "out"),
        output_name_formatter=CaseNames({str(scan): name}),
        print_log=False,
    )
    save(case)
    assert [file.name for file in (tmp_path / "out").iterdir()] == [StageFolder(tmp_path).merged(name).name]


def test_suffix_before_the_ending():
    assert with_suffix({"subject": "a.b.nii.gz"}, "_c") == {"subject": "a.b_c.nii.gz"}
    assert with_suffix({"subject": "a.b.mha"}, "_c", ".dcm") == {"subject": "a.b_c.dcm"}
