import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from custom.errors import InputError
from custom.fingerprint import data_check
from custom.fingerprint.data_check import inspect_case, raise_on_problems
from custom.fingerprint.dataset_fingerprint import read_record, read_records

AFFINE = np.diag([0.5, 0.75, 3.0, 1.0])
SHAPE = (8, 7, 6)


def write(file: Path, voxels: np.ndarray, affine=AFFINE, scaling=None) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, affine)
    if scaling:
        image.header.set_slope_inter(*scaling)
    nib.save(image, file)
    return str(file)


def box_of_tissue() -> np.ndarray:
    """Zero but for x 1 to 5, y 2 to 6, z 0 to 3; every voxel inside differs."""
    voxels = np.zeros(SHAPE, np.int16)
    voxels[1:6, 2:7, :4] = np.arange(1, 101).reshape(5, 5, 4)
    return voxels


def label_of(**places) -> np.ndarray:
    voxels = np.zeros(SHAPE, np.uint8)
    for value, place in places.items():
        voxels[place] = int(value[1:])
    return voxels


@pytest.fixture
def case(tmp_path):
    label = label_of(_1=np.s_[2:4, 3, 1], _2=np.s_[5, 5, 3])
    return {"image": write(tmp_path / "i/a.nii.gz", box_of_tissue()), "label": write(tmp_path / "l/a.nii.gz", label)}


def test_record_of_a_small_case(case):
    record = read_record(case)
    assert record.facts == inspect_case(case)
    assert record.orientation == "RAS"
    assert record.shape_after_crop == [5, 5, 4]
    assert record.relative_size == pytest.approx(100 / 336)
    assert record.foreground_share == pytest.approx(3 / 336)
    assert record.lowest == [0]
    tissue = box_of_tissue()
    expected = sorted([tissue[2, 3, 1], tissue[3, 3, 1], tissue[5, 5, 3]])
    (intensity,) = record.intensities
    assert intensity.values.tolist() == expected
    assert intensity.mean == pytest.approx(np.mean(expected))


def test_orientation_is_that_of_the_file(tmp_path, case):
    affine = np.array([[0, 0, -3.0, 5], [-0.5, 0, 0, 1], [0, 0.75, 0, 2], [0, 0, 0, 1]])
    turned = {"image": write(tmp_path / "b.nii.gz", box_of_tissue(), affine)}
    record = read_record(turned)
    assert (record.orientation, record.shape_after_crop) == ("PSL", [5, 5, 4])
    assert record.intensities == [None]  # no label


def test_crop_is_around_all_channels(tmp_path, case):
    other = np.zeros(SHAPE, np.float32)
    other[7, 3, 5] = -2.5
    record = read_record({**case, "image": [case["image"], write(tmp_path / "i/a_1.nii.gz", other)]})
    assert record.shape_after_crop == [7, 5, 6]
    assert record.lowest == [0, -2.5]
    assert record.intensities[1].values.tolist() == [0]


def test_foreground_outside_the_crop_does_not_count(tmp_path, case):
    label = label_of(_1=np.s_[2, 3, 1], _2=np.s_[0, 0, 5])
    record = read_record({**case, "label": write(tmp_path / "l.nii.gz", label)})
    assert record.intensities[0].voxels == 1


def test_ignored_voxels_are_no_foreground(tmp_path, case):
    label = label_of(_1=np.s_[2, 3, 1], _255=np.s_[3, 3, 1])
    record = read_record({**case, "label": write(tmp_path / "l.nii.gz", label)})
    assert record.intensities[0].voxels == 1
    assert record.foreground_share == pytest.approx(1 / 336)


def test_zero_is_that_of_the_scaled_intensities(tmp_path, case):
    """Stored 1024 means 0 HU: air stored as 0 is -1024 and stays."""
    stored = np.full(SHAPE, 1024, np.int16)
    stored[3:5, 2, 1:3] = 0
    record = read_record({"image": write(tmp_path / "s.nii.gz", stored, scaling=(1, -1024))})
    assert (record.shape_after_crop, record.lowest) == ([2, 1, 2], [-1024])


def test_scaled_labels(tmp_path, case):
    stored = label_of(_2=np.s_[2:4, 3, 1])
    label = write(tmp_path / "l.nii.gz", stored, scaling=(0.5, 0))
    assert read_record({**case, "label": label}).intensities[0].voxels == 2


def test_problems_of_the_pass_end_in_one_error(tmp_path, case):
    bad = {"image": write(tmp_path / "i/b.nii.gz", np.full(SHAPE, 7, np.int16)), "label": case["label"]}
    missing = {"image": str(tmp_path / "none.nii.gz"), "label": case["label"]}
    records = read_records([case, bad, missing])
    assert [len(record.facts.problems) for record in records] == [0, 1, 1]
    with pytest.raises(InputError, match=r"2 of 3 cases cannot be used: .*every voxel has the same intensity 7"):
        raise_on_problems([record.facts for record in records])


def test_label_values_beyond_the_classes(case):
    (record,) = read_records([case], num_classes=2)
    assert "label values 2 are outside the classes 0 to 1" in record.facts.problems[0]


def test_annotated_classes_come_from_the_list(case):
    plain, partial = read_records([case, {**case, "annotated": [2]}])
    assert [plain.is_annotated(value) for value in (1, 2)] == [True, True]
    assert [partial.is_annotated(value) for value in (1, 2)] == [False, True]


class TestCache:
    @pytest.fixture
    def reads(self, monkeypatch):
        files = []
        original = data_check.read_volume
        monkeypatch.setattr(data_check, "read_volume", lambda file: files.append(file) or original(file))
        return files

    def test_each_file_is_read_once_and_again_when_it_changes(self, tmp_path, case, reads):
        cache = tmp_path / "fingerprint.json"
        (first,) = read_records([case], cache_file=cache)
        assert sorted(reads) == [case["image"], case["label"]]
        (again,) = read_records([{**case, "annotated": [1]}], cache_file=cache)
        assert len(reads) == 2
        assert (again.facts, again.shape_after_crop, again.annotated) == (first.facts, first.shape_after_crop, (1,))
        assert again.intensities[0].to_json() == first.intensities[0].to_json()
        write(Path(case["label"]), label_of(_1=np.s_[1:6, 2:7, :4]))
        (changed,) = read_records([case], cache_file=cache)
        assert len(reads) == 4
        assert changed.intensities[0].voxels == 100
        assert len(json.loads(cache.read_text())["entries"]) == 1

    @pytest.mark.parametrize("text", ["", "[]", '{"version": 1, "entries": [{"files": [], "result": {}}]}'])
    def test_damaged_or_foreign_cache_is_made_again(self, tmp_path, case, text):
        cache = tmp_path / "fingerprint.json"
        cache.write_text(text)
        assert read_records([case], cache_file=cache)[0].shape_after_crop == [5, 5, 4]
        assert json.loads(cache.read_text())["entries"][0]["result"]["shape_after_crop"] == [5, 5, 4]

    def test_unwritable_cache(self, tmp_path, case):
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match=r"file/fingerprint.json cannot be written .* pass another output folder"):
            read_records([case], cache_file=tmp_path / "file" / "fingerprint.json")


def test_numbers_agree_with_nnunets_on_real_ct(shared_data):
    """nnU-Net 2.8.1's `dataset_fingerprint.json` of the whole folder: its first case, z, y, x there."""
    folder = shared_data / "headneck"
    record = read_record({"image": folder / "imagesTr/hn_001.nii.gz", "label": folder / "labelsTr/hn_001.nii.gz"})
    assert record.shape_after_crop[::-1] == [103, 62, 48]
    assert record.facts.spacing[::-1] == pytest.approx([2.5, 3.906, 3.906], abs=1e-6)
