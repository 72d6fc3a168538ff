import json
import logging

import numpy as np
import pydicom
import pytest

from custom.data.inference_datalist import inference_datalist
from custom.datalist.left_out import LeftOut
from custom.datalist.output_names import COMPANIONS
from custom.errors import InputError, ScansLeftOutError
from custom.io.image_formats import ending_of, scan_name

from ..io.scan_files import turned, write_scan, write_series
from .conftest import write


class TestInference:
    def test_sound_scans(self, data, tmp_path):
        cases = inference_datalist(data, tmp_path / "out")
        assert len(cases) == 12
        assert cases[0] == {"image": f"{data}/imagesTr/c00.nii.gz", "output_name": "c00.nii.gz"}

    def test_bad_scans_are_left_out_with_a_line_each(self, data, tmp_path, caplog):
        (data / "imagesTr" / "c04.nii.gz").write_bytes(b"")
        with caplog.at_level(logging.WARNING):
            cases = inference_datalist(data / "imagesTr", tmp_path / "out")
        assert len(cases) == 11
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith(f"left out: {data}/imagesTr/c04.nii.gz: cannot be read (")
        assert len(inference_datalist(data / "imagesTr", tmp_path / "out", validate=False)) == 12

    def test_none_remains(self, tmp_path):
        write(tmp_path / "flat.nii.gz", np.ones((4, 4, 4), np.uint8))
        left_out = LeftOut()
        assert inference_datalist(tmp_path, tmp_path / "out", left_out=left_out) == []
        with pytest.raises(ScansLeftOutError, match=r"^0 of 1 labelled, 1 left out: flat$"):
            left_out.close()

    def test_a_record_takes_no_place_of_the_list_of_scans_left_out(self, data, tmp_path, caplog):
        (data / "imagesTr" / "c04.nii.gz").rename(data / "imagesTr" / "left_out.nii.gz")
        file = tmp_path / "out" / "left_out.json"
        left_out = LeftOut(file, output_dir=tmp_path / "out")
        cases = inference_datalist(data / "imagesTr", tmp_path / "out", left_out=left_out)
        assert len(cases) == 11
        assert file.is_file()
        line = f"imagesTr/left_out.nii.gz: its record would be called as the list of scans left out, {file}; rename it"
        assert line in caplog.text

    def test_what_is_labelled_already_counts(self, data, tmp_path):
        (data / "imagesTr" / "c04.nii.gz").write_bytes(b"")
        write(tmp_path / "out" / "c05.nii.gz", np.zeros((4, 4, 4), np.uint8))
        left_out = LeftOut(tmp_path / "out" / "left_out.json")
        cases = inference_datalist(data / "imagesTr", tmp_path / "out", overwrite=False, left_out=left_out)
        for case in cases:
            left_out.done(case)
        with pytest.raises(ScansLeftOutError, match=r"^11 of 12 labelled, 1 left out: c04; reasons in "):
            left_out.close()

    def test_label_maps_in_the_format_of_their_scans_are_recognised(self, tmp_path):
        voxels = np.random.default_rng(0).integers(0, 100, (6, 5, 4)).astype(np.int16)
        for name in ("a.nii.gz", "b.mha", "c.nrrd", "d.mhd"):
            write_scan(tmp_path / "in" / name, voxels, np.eye(4))
        write_series(tmp_path / "in" / "e", voxels, turned("LPS"))
        names = ["a.nii.gz", "b.mha", "c.nrrd", "d.mha", "e.nii.gz"]
        (tmp_path / "out").mkdir()
        for done, name in enumerate(names):
            cases = inference_datalist(tmp_path / "in", tmp_path / "out", overwrite=False)
            assert len(cases) == len(names) - done
            (tmp_path / "out" / name).touch()
        assert inference_datalist(tmp_path / "in", tmp_path / "out", overwrite=False) == []

    def test_a_label_map_of_another_scan_is_not_taken_for_this_ones(self, tmp_path):
        voxels = np.random.default_rng(0).integers(0, 100, (6, 5, 4)).astype(np.int16)
        first, second, out = tmp_path / "p1", tmp_path / "p2", tmp_path / "out"
        for patient in (first, second):
            write_scan(patient / "scan.nii.gz", voxels, np.eye(4))
            write_series(patient / "series", voxels, turned("LPS"))
        out.mkdir()
        for name, scan in {"scan": first / "scan.nii.gz", "series": first / "series"}.items():
            (out / f"{name}.nii.gz").touch()
            (out / f"{name}.json").write_text(json.dumps({"image": str(scan)}))
        assert inference_datalist(first, out, overwrite=False) == []
        a_slice = next((first / "series").iterdir())
        (out / "series.json").write_text(json.dumps({"image": str(a_slice)}))
        assert inference_datalist(first / "series", out, overwrite=False) == []
        for scan in ("scan.nii.gz", "series"):
            with pytest.raises(
                InputError, match=r"is the label map of .*p1.*, not of .*p2.*: pass another --output_dir"
            ):
                inference_datalist(second / scan, out, overwrite=False)
        first.rename(tmp_path / "moved")
        assert inference_datalist(tmp_path / "moved", out, overwrite=False) == [], "a data set may be moved"

    def test_a_bad_series_is_left_out_with_a_line(self, tmp_path, caplog):
        voxels = np.random.default_rng(0).integers(0, 100, (6, 5, 4)).astype(np.int16)
        write_series(tmp_path / "a", voxels, turned("LPS"), skip=(1,))
        write_series(tmp_path / "b", voxels, turned("LPS"))
        with caplog.at_level(logging.WARNING):
            assert inference_datalist(tmp_path, tmp_path / "out") == [
                {"image": f"{tmp_path}/b", "output_name": "b.nii.gz"}
            ]
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith(f"left out: {tmp_path}/a: its 3 slices lie 1 to 2 mm apart")

    def test_a_label_map_never_replaces_a_scan(self, tmp_path):
        write_scan(tmp_path / "store" / "a.mha", np.zeros((4, 4, 4), np.int16), np.eye(4))
        (tmp_path / "links").mkdir()
        (tmp_path / "links" / "a.mha").symlink_to(tmp_path / "store" / "a.mha")
        with pytest.raises(InputError, match=r"a\.mha would be replaced by its label map"):
            inference_datalist(tmp_path / "links", tmp_path / "store")

    def test_label_maps_are_not_written_where_scans_are_looked_for(self, tmp_path):
        """There the next run would take them for scans."""
        voxels = np.random.default_rng(0).integers(0, 100, (6, 5, 4)).astype(np.int16)
        write_scan(tmp_path / "set" / "imagesTs" / "a.mhd", voxels, np.eye(4))
        write_series(tmp_path / "patients" / "p1", voxels, turned("LPS"))
        outputs = {"set": "set/imagesTs", "set/imagesTs/a.mhd": "set/imagesTs", "patients": "patients"}
        for dataset, output in [*outputs.items(), ("patients", "patients/p1"), ("patients/p1", "patients/p1")]:
            with pytest.raises(InputError, match=r"holds the scans, among which .*: pass another --output_dir"):
                inference_datalist(tmp_path / dataset, tmp_path / output)
            assert len(inference_datalist(tmp_path / dataset, tmp_path / dataset.split("/")[0] / "labels")) == 1

    def test_scans_in_sub_folders_beside_dicom_are_told_of(self, tmp_path, caplog):
        voxels = np.random.default_rng(0).integers(0, 100, (6, 5, 4)).astype(np.int16)
        write_series(tmp_path / "p1" / "ct", voxels, turned("LPS"))
        for name in ("a.nii.gz", "p2/ct.nii.gz", "p3/ct.mha", "labels/p1.nii.gz"):
            write_scan(tmp_path / name, voxels, np.eye(4))
        with caplog.at_level(logging.WARNING):
            cases = inference_datalist(tmp_path, tmp_path / "labels")
        assert [case["image"] for case in cases] == [f"{tmp_path}/a.nii.gz", f"{tmp_path}/p1/ct"]
        assert [record.getMessage() for record in caplog.records] == [
            f"2 files in sub-folders, such as {tmp_path}/p2/ct.nii.gz, are not labelled: "
            "only DICOM is looked for there; pass their folder"
        ]

    def test_a_series_that_lacks_an_end_slice_is_left_out(self, tmp_path, caplog):
        voxels = np.random.default_rng(0).integers(0, 100, (6, 5, 4)).astype(np.int16)
        write_series(tmp_path / "b", voxels, turned("LPS"))
        files = write_series(tmp_path / "a", voxels, turned("LPS"))
        top = max(files, key=lambda file: pydicom.dcmread(file).ImagePositionPatient[2])
        top.write_bytes(top.read_bytes()[:700])
        with caplog.at_level(logging.WARNING):
            assert inference_datalist(tmp_path, tmp_path / "out") == [
                {"image": f"{tmp_path}/b", "output_name": "b.nii.gz"}
            ]
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith(f"left out: {top}: cannot be read and may be a slice of {tmp_path}/a; export")

    @pytest.mark.parametrize("kind", ["dicom_seg", "confidence", "case_record"])
    def test_a_scan_is_finished_with_all_that_is_wanted_beside_its_label_map(self, tmp_path, kind):
        voxels = np.random.default_rng(0).integers(0, 100, (6, 5, 4)).astype(np.int16)
        file, series = write_scan(tmp_path / "in" / "a.mha", voxels, turned("LPS")), tmp_path / "in" / "b"
        write_series(series, voxels, turned("LPS"))
        folder = tmp_path / "out"
        folder.mkdir()
        names = {case["image"]: case["output_name"] for case in inference_datalist(tmp_path / "in", folder)}
        for name in names.values():
            (folder / name).touch()

        def left(**companions):
            found = inference_datalist(tmp_path / "in", folder, overwrite=False, companions=companions)
            return [case["image"] for case in found]

        assert left() == left(**{kind: False}) == []
        needing = [str(series)] if kind == "dicom_seg" else [str(file), str(series)]
        assert left(**{kind: True}) == needing
        suffix, ending = COMPANIONS[kind]
        for scan in needing:
            label = names[scan]
            (folder / (scan_name(label) + suffix + (ending or ending_of(label)))).touch()
        assert left(**{kind: True}) == []


def test_folders_of_real_scans(shared_data):
    assert len(inference_datalist(shared_data / "spine", "out", validate=False)) == 7
    assert inference_datalist(shared_data / "ct" / "abdomen.nii.gz", "out") == [
        {"image": f"{shared_data.resolve()}/ct/abdomen.nii.gz", "output_name": "abdomen.nii.gz"}
    ]
