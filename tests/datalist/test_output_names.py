"""Names of predicted label maps in every layout."""

import nibabel as nib
import numpy as np
import pytest
from monai.data import DataLoader, decollate_batch
from monai.transforms import LoadImaged, SaveImaged

from custom.datalist import OUTPUT_NAME, folder_layouts, output_name
from custom.datalist.output_names import label_names, renamed, shared_names
from custom.io import LabelFolder, ScanReader
from custom.transforms import CopyToMetad
from custom.workflows.work_folder import StageFolder

from ..io.scan_files import turned, write_series


@pytest.mark.parametrize(
    ("files", "scan", "name"),
    [
        (["a.nii.gz"], "a.nii.gz", "a"),
        (["scan.1.nii"], "scan.1.nii", "scan.1"),
        (["scan_0000.nii.gz"], "scan_0000.nii.gz", "scan_0000"),
        (["scan_0000.nii.gz", "scan_0001.nii.gz"], "scan_0000.nii.gz", "scan_0000"),
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
    ending = ".nii" if scan.endswith(".nii") else ".nii.gz"
    assert label_names([{"image": str(tmp_path / scan)}], tmp_path) == [f"{name}{ending}"]


class TestNumberedFiles:
    """What `test_images` takes for scans keeps its number, what it takes for a channel does not."""

    def names(self, folder, *files):
        for file in files:
            (folder / f"{file}.nii.gz").touch()
        found = label_names(folder_layouts.test_images(folder), folder)
        return [name.removesuffix(".nii.gz") for name in found]

    def test_scans(self, tmp_path):
        files = [f"patient_{number:04d}" for number in range(4)]
        assert self.names(tmp_path, *files) == files
        assert self.names(tmp_path, "patient") == ["patient", *files]

    def test_channels(self, tmp_path):
        assert self.names(tmp_path, "a_0000", "a_0001", "b_0000", "b_0001") == ["a", "b"]

    def test_channels_beside_a_series(self, tmp_path):
        series(tmp_path / "c", uid="1.2.3")
        name = "c"
        assert self.names(tmp_path, "a_0000", "a_0001", "b_0000", "b_0001") == ["a", "b", name]

    def test_as_saved(self, tmp_path):
        """The name goes with the scan, from the data list through the loader to the file."""
        volume = nib.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4))
        files = [str(tmp_path / f"a_000{channel}.nii.gz") for channel in (0, 1)]
        for file in files:
            nib.save(volume, file)
        load = LoadImaged("image", reader=ScanReader, ensure_channel_first=True)
        for image, name in ((files, "a"), (files[0], "a_0000")):
            (named,) = label_names([{"image": image}], tmp_path)
            case = CopyToMetad("image", OUTPUT_NAME)(load({"image": image, OUTPUT_NAME: named}))
            (batch,) = DataLoader([case], batch_size=1)
            (item,) = decollate_batch(batch["image"])
            assert output_name(item.meta) == {"subject": f"{name}.nii.gz"}


def series(folder, **options):
    return write_series(folder, np.zeros((4, 4, 2), np.int16), turned("LPS"), **options)


def series_names(folder):
    """Names of the label maps of a folder of series, without ending."""
    names = label_names(folder_layouts.test_images(folder), folder)
    assert all(name.endswith(".nii.gz") for name in names)
    return [name.removesuffix(".nii.gz") for name in names]


class TestSeries:
    def test_alone_in_its_folder(self, tmp_path):
        series(tmp_path / "p1" / "study" / "T2", uid="1.2.3", number=3, description="T2 sag / fs")
        series(tmp_path / "p2", uid="1.2.4", number=None)
        assert series_names(tmp_path) == ["p1_study_T2", "p2"]

    def test_where_it_lies_is_all_that_counts(self, tmp_path):
        """Other patients, and what else lies in their folders, rename nothing."""
        series(tmp_path / "p1" / "DICOM", uid="1.2.3")
        assert series_names(tmp_path) == ["p1_DICOM"]
        series(tmp_path / "p2" / "DICOM", uid="1.2.4")
        (tmp_path / "p1" / "DICOM" / "report.txt").touch()
        assert series_names(tmp_path) == ["p1_DICOM", "p2_DICOM"]

    def test_given_by_itself(self, tmp_path):
        series(tmp_path / "p1", uid="1.2.3")
        assert series_names(tmp_path / "p1") == ["p1"]

    def test_several_in_one_folder(self, tmp_path):
        series(tmp_path / "p1", uid="1.2.3", names="a{}", number=3, description="T2 sag / fs")
        series(tmp_path / "p1", uid="1.2.4", names="b{}", number=None)
        assert series_names(tmp_path) == ["p1_3_T2_sag_fs_c47f5b18", "p1_30f3fada"]

    def test_one_series_in_two_folders(self, tmp_path):
        """Two time points, say."""
        for folder in ("early", "late"):
            series(tmp_path / "p1" / folder, uid="1.2.3")
        assert series_names(tmp_path) == ["p1_early", "p1_late"]

    def test_the_same_twice_is_told_of_both(self, tmp_path):
        for folder in ("a_b/ct", "a/b_ct"):
            series(tmp_path / folder, uid="1.2.3")
        cases = folder_layouts.test_images(tmp_path)
        for case, name in zip(cases, label_names(cases, tmp_path), strict=True):
            case[OUTPUT_NAME] = name
        found = shared_names(cases)
        one, other = (f"{tmp_path}/{folder}" for folder in ("a_b/ct", "a/b_ct"))
        assert found == {
            one: f"{one} and {other} would both be labelled as a_b_ct; rename or remove one",
            other: f"{other} and {one} would both be labelled as a_b_ct; rename or remove one",
        }

    def test_folders_by_the_name_of_the_one_that_is_linked(self, tmp_path):
        """A container links its folder of scans as imagesTs."""
        series(tmp_path / "inputs", uid="1.2.3")
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "imagesTs").symlink_to(tmp_path / "inputs")
        assert series_names(tmp_path / "set") == ["inputs"]

    def test_long_names_fit_into_a_file_system(self, tmp_path):
        folder = tmp_path / ("\u00e4" * 100) / ("b" * 200)
        series(folder, uid="1.2.3", description="c" * 64)
        assert series_names(tmp_path) == ["\u00e4" * 80]
        series(folder, uid="1.2.4", names="second{}")
        assert all(name.startswith("\u00e4" * 80 + "_") and len(name) == 89 for name in series_names(tmp_path))

    def test_description_in_another_character_set(self, tmp_path):
        series(tmp_path / "p", uid="1.2.3", names="a{}", description="Sch\u00e4del", SpecificCharacterSet="ISO_IR 100")
        series(tmp_path / "p", uid="1.2.4", names="b{}")
        assert series_names(tmp_path)[0] == "p_1_Sch_del_c47f5b18"


class TestNamesOfAFolder:
    def test_files_keep_their_names(self, tmp_path):
        files = ["a.nii.gz", "b.nii", "c.mha", "d.mhd", "e.nrrd", "f.nhdr", "G.MHA", "H.NII.GZ"]
        names = label_names([{"image": str(tmp_path / file)} for file in files], tmp_path)
        kept = ["a.nii.gz", "b.nii", "c.mha", "d.mha", "e.nrrd", "f.nrrd", "G.mha", "H.nii.gz"]
        assert names == kept

    @pytest.mark.parametrize(("name", "ending"), [("p2_ct", ".nii.gz"), ("scan.1", ".mha")])
    def test_for_saving(self, name, ending):
        meta = {"filename_or_obj": "/scans/any", OUTPUT_NAME: name + ending}
        assert output_name(meta) == {"subject": name + ending}
        assert output_name(meta, object(), suffix="_confidence") == {"subject": f"{name}_confidence{ending}"}
        assert output_name(meta, ending=".dcm") == {"subject": f"{name}.dcm"}

    @pytest.mark.parametrize(("scan", "name"), [("a.nrrd", "a.nrrd"), ("b.mhd", "b.mha"), ("ct", "ct.nii.gz")])
    def test_a_scan_without_a_name_is_named_by_itself(self, scan, name):
        """As MONAI Label gives it: a file or a folder alone."""
        assert output_name({"filename_or_obj": f"/scans/{scan}"}) == {"subject": name}


@pytest.mark.parametrize("name", ["plain", "with.dots.1", "with blank", "scan_0000", "ends.gz", "ends.nii.gz"])
def test_monai_saves_a_case_where_its_pipeline_looks_for_it(tmp_path, name):
    scan = tmp_path / "scan.nii"
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.eye(4)), scan)
    case = LoadImaged("image", ensure_channel_first=True)({"image": str(scan), OUTPUT_NAME: f"{name}.nii.gz"})
    save = SaveImaged(
        "image",
        folder_layout=LabelFolder(tmp_path / "out"),
        output_name_formatter=output_name,
        print_log=False,
    )
    save(CopyToMetad("image", OUTPUT_NAME)(case))
    assert [file.name for file in (tmp_path / "out").iterdir()] == [StageFolder(tmp_path).merged(name).name]


def test_suffix_before_the_ending():
    assert renamed("a.b.nii.gz", "_c") == "a.b_c.nii.gz"
    assert renamed("a.b.mha", "_c", ".dcm") == "a.b_c.dcm"
