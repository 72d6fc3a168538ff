import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from custom.data.knight import prepare_knight
from custom.datalist.fixed_split import read_split
from custom.datalist.folder_layouts import training_cases
from custom.errors import InputError
from custom.fingerprint.dataset_fingerprint import check_cases
from custom.plans import read_plan

AFFINE = np.array([[0, 0, -0.8, 5], [0, -0.8, 0, 0], [-3.0, 0, 0, 0], [0, 0, 0, 1]])
RISKS = {"case_00000": "benign", "case_00001": "high_risk", "case_00002": "very_high_risk", "case_00003": "low_risk"}


def save(path, voxels):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, AFFINE), path)


def kits_mask():
    """Every KiTS value once in a while: 0 background, 1 kidney, 2 tumour, 3 cyst."""
    return np.random.default_rng(0).integers(0, 4, (5, 6, 7)).astype(np.uint8)


def scan(number):
    return np.random.default_rng(number).integers(-1000, 1000, (5, 6, 7)).astype(np.int16)


@pytest.fixture
def risks(tmp_path):
    path = tmp_path / "knight.json"
    path.write_text(json.dumps([{"case_id": name, "aua_risk_group": group} for name, group in RISKS.items()]))
    return str(path)


@pytest.fixture
def kits(tmp_path):
    """KiTS19's folders: two patients with scan and mask, one test patient with the scan alone."""
    for number in range(3):
        save(tmp_path / "kits" / f"case_{number:05d}" / "imaging.nii.gz", scan(number))
        if number < 2:
            save(tmp_path / "kits" / f"case_{number:05d}" / "segmentation.nii.gz", kits_mask())
    return str(tmp_path / "kits")


@pytest.fixture
def flat(tmp_path):
    for number in range(2):
        save(tmp_path / "flat" / f"case_{number:05d}.nii.gz", kits_mask())
    return str(tmp_path / "flat")


def label(output, name):
    return nib.load(output / "labelsTr" / f"{name}.nii.gz")


def test_tumour_voxels_take_the_class_of_the_patient(kits, risks, tmp_path):
    output = tmp_path / "out"
    text = prepare_knight(kits, risks, str(output))
    assert text == f"KNIGHT: 2 cases (1 NoAT, 1 CanAT) in {output}, 2 labels newly written, with their scans"
    for name, tumour_class in (("case_00000", 1), ("case_00001", 2)):
        image = label(output, name)
        np.testing.assert_array_equal(np.asarray(image.dataobj), np.where(kits_mask() == 2, tumour_class, 0))
        np.testing.assert_allclose(image.affine, AFFINE)
        assert image.get_data_dtype() == np.uint8


def test_result_is_a_data_set_that_passes_the_check(kits, risks, tmp_path, project):
    prepare_knight(kits, risks, str(tmp_path / "out"))
    cases = training_cases(tmp_path / "out")
    assert [fact.problems for fact in check_cases(cases, 3)] == [[], []]
    assert [fact.foreground for fact in check_cases(cases, 3)] == [(1,), (2,)]
    listing = json.loads((tmp_path / "out" / "dataset.json").read_text())
    planned = read_plan(project / "bundles/batseg_spine/configs/plans/knight.yaml")["classes"]
    assert listing["labels"] == {name: number for number, name in enumerate(["background", *planned])}
    assert (listing["numTraining"], listing["file_ending"], listing["channel_names"]) == (2, ".nii.gz", {"0": "CT"})


@pytest.mark.parametrize(("group", "expected"), [("low_risk", 1), ("intermediate_risk", 1), ("very_high_risk", 2)])
def test_other_risk_groups(flat, tmp_path, group, expected):
    entries = [{"case_id": f"case_0000{number}", "aua_risk_group": group} for number in range(2)]
    (tmp_path / "k.json").write_text(json.dumps(entries))
    prepare_knight(flat, str(tmp_path / "k.json"), str(tmp_path / "out"))
    assert np.asarray(label(tmp_path / "out", "case_00001").dataobj).max() == expected


def test_cysts_as_a_class(flat, risks, tmp_path):
    prepare_knight(flat, risks, str(tmp_path / "out"), cysts_as=1)
    mask = kits_mask()
    expected = np.where(mask == 2, 2, 0) + np.where(mask == 3, 1, 0)
    np.testing.assert_array_equal(np.asarray(label(tmp_path / "out", "case_00001").dataobj), expected)
    with pytest.raises(InputError, match="cysts_as is 3; it must be 0"):
        prepare_knight(flat, risks, str(tmp_path / "other"), cysts_as=3)


def test_scans_are_linked_or_copied(kits, risks, tmp_path):
    prepare_knight(kits, risks, str(tmp_path / "linked"))
    prepare_knight(kits, risks, str(tmp_path / "copied"), copy_images=True)
    linked, copied = (tmp_path / kind / "imagesTr" / "case_00001_0000.nii.gz" for kind in ("linked", "copied"))
    assert linked.is_symlink()
    assert not copied.is_symlink()
    assert linked.read_bytes() == copied.read_bytes()
    prepare_knight(kits, risks, str(tmp_path / "linked"), copy_images=True)
    assert not linked.is_symlink()


@pytest.mark.parametrize("form", ["{name}.nii.gz", "{name}_0000.nii.gz", "{name}/imaging.nii.gz"])
def test_scans_from_a_folder_of_their_own(flat, risks, tmp_path, form):
    for number in range(2):
        save(tmp_path / "scans" / form.format(name=f"case_0000{number}"), scan(number))
    prepare_knight(flat, risks, str(tmp_path / "out"), images_dir=str(tmp_path / "scans"))
    image = nib.load(tmp_path / "out" / "imagesTr" / "case_00001_0000.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), scan(1))


def test_labels_alone_are_said_to_be_alone(flat, risks, tmp_path):
    assert "labels alone, no scans found" in prepare_knight(flat, risks, str(tmp_path / "out"))
    assert not (tmp_path / "out" / "imagesTr").exists()


def test_masks_of_kits21(tmp_path, risks):
    save(tmp_path / "kits" / "case_00001" / "aggregated_MAJ_seg.nii.gz", kits_mask())
    assert "1 cases (0 NoAT, 1 CanAT)" in prepare_knight(str(tmp_path / "kits"), risks, str(tmp_path / "out"))


def test_goes_on_where_it_was(flat, risks, tmp_path):
    output = tmp_path / "out"
    prepare_knight(flat, risks, str(output))
    kept = (output / "labelsTr" / "case_00000.nii.gz").stat()
    (output / "labelsTr" / "case_00001.nii.gz").unlink()
    assert "1 labels newly written" in prepare_knight(flat, risks, str(output))
    assert (output / "labelsTr" / "case_00000.nii.gz").stat().st_mtime_ns == kept.st_mtime_ns
    save(tmp_path / "flat" / "case_00003.nii.gz", kits_mask())
    assert "3 cases (2 NoAT, 1 CanAT)" in prepare_knight(flat, risks, str(output))


def test_newer_mask_is_prepared_again(flat, risks, tmp_path):
    prepare_knight(flat, risks, str(tmp_path / "out"))
    mask = tmp_path / "flat" / "case_00000.nii.gz"
    save(mask, np.full((5, 6, 7), 2, np.uint8))
    later = (tmp_path / "out" / "labelsTr" / "case_00000.nii.gz").stat().st_mtime + 10
    os.utime(mask, (later, later))
    assert "1 labels newly written" in prepare_knight(flat, risks, str(tmp_path / "out"))
    assert np.asarray(label(tmp_path / "out", "case_00000").dataobj).min() == 1


def test_other_settings_are_not_mixed_in(flat, risks, tmp_path):
    prepare_knight(flat, risks, str(tmp_path / "out"))
    with pytest.raises(InputError, match=r"preparation.json: the folder was prepared from other settings; delete it"):
        prepare_knight(flat, risks, str(tmp_path / "out"), cysts_as=1)


def test_cases_without_risk_group_are_left_out(flat, risks, tmp_path, caplog):
    """KiTS23 has more cases than KNIGHT."""
    before = len(list(Path(flat).iterdir()))
    save(Path(flat) / "case_00400.nii.gz", kits_mask())
    prepare_knight(flat, risks, str(tmp_path / "out"))
    written = sorted(file.name for file in (tmp_path / "out" / "labelsTr").iterdir())
    assert len(written) == before
    assert "case_00400.nii.gz" not in written
    assert "1 of" in caplog.text
    assert "such as case_00400" in caplog.text


class TestRefused:
    def refused(self, *args, **kwargs):
        with pytest.raises(InputError) as error:
            prepare_knight(*args, **kwargs)
        assert "\n" not in str(error.value)
        return str(error.value)

    def test_no_case_with_risk_group(self, risks, tmp_path):
        save(tmp_path / "later" / "case_00400.nii.gz", kits_mask())
        line = self.refused(str(tmp_path / "later"), risks, str(tmp_path / "out"))
        assert f"{risks} lists none of the 1 cases, such as case_00400; pass KNIGHT's list" in line
        assert not (tmp_path / "out").exists()

    def test_unknown_risk_group(self, flat, tmp_path):
        path = tmp_path / "k.json"
        path.write_text(json.dumps([{"case_id": f"case_0000{n}", "aua_risk_group": "middling"} for n in range(2)]))
        text = self.refused(flat, str(path), str(tmp_path / "out"))
        assert "case case_00000 has the unknown risk group 'middling'; known are benign, low_risk" in text

    @pytest.mark.parametrize("content", ["{", '{"a": 1}', '[{"case_id": "x"}]', "3"])
    def test_other_json(self, flat, tmp_path, content):
        (tmp_path / "k.json").write_text(content)
        assert 'is no list of {"case_id", "aua_risk_group"}' in self.refused(
            flat, str(tmp_path / "k.json"), str(tmp_path / "out")
        )

    def test_missing_inputs(self, flat, risks, tmp_path):
        output = str(tmp_path / "out")
        assert "none is no folder" in self.refused(str(tmp_path / "none"), risks, output)
        assert "none is no folder" in self.refused(flat, risks, output, images_dir=str(tmp_path / "none"))
        assert "none.json cannot be read (No such file" in self.refused(flat, str(tmp_path / "none.json"), output)
        (tmp_path / "empty").mkdir()
        assert "holds neither case_00000/segmentation.nii.gz nor" in self.refused(
            str(tmp_path / "empty"), risks, output
        )

    def test_values_outside(self, flat, risks, tmp_path):
        save(tmp_path / "flat" / "case_00001.nii.gz", np.full((5, 6, 7), 4, np.uint8))
        text = self.refused(flat, risks, str(tmp_path / "out"))
        assert f"{flat}/case_00001.nii.gz: value 4 is none of KiTS' 0 background" in text

    def test_damaged_mask(self, flat, risks, tmp_path):
        (tmp_path / "flat" / "case_00001.nii.gz").write_bytes(b"12")
        assert "case_00001.nii.gz: cannot be read (" in self.refused(flat, risks, str(tmp_path / "out"))
        assert not (tmp_path / "out" / "dataset.json").exists()

    def test_some_scans_missing(self, kits, risks, tmp_path):
        (tmp_path / "kits" / "case_00001" / "imaging.nii.gz").unlink()
        text = self.refused(kits, risks, str(tmp_path / "out"))
        assert f"{kits}: 1 of 2 masks have no scan, such as case_00001; finish the download" in text

    def test_unwritable_output(self, flat, risks, tmp_path):
        (tmp_path / "file").touch()
        assert "cannot be written" in self.refused(flat, risks, str(tmp_path / "file" / "out"))


def test_cases_after_the_first_300_are_held_out(tmp_path):
    for number in (7, 299, 300, 350):
        save(tmp_path / "kits" / f"case_{number:05d}.nii.gz", kits_mask())
    listed = [{"case_id": f"case_{number:05d}", "aua_risk_group": "benign"} for number in range(400)]
    (tmp_path / "knight.json").write_text(json.dumps(listed))
    text = prepare_knight(str(tmp_path / "kits"), str(tmp_path / "knight.json"), str(tmp_path / "out"))
    assert text.endswith("2 of them held out (split.json: cases after the first 300 of knight.json)")
    split = json.loads((tmp_path / "out" / "split.json").read_text())
    assert split == {
        "source": "cases after the first 300 of knight.json",
        "training": ["case_00007", "case_00299"],
        "test": ["case_00300", "case_00350"],
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "case_id,age\ncase_00001,60\n"),
        ("t.json", '["case_00001"]'),
        ("t.json", '[{"case_id": "case_00001"}]'),
    ],
)
def test_held_out_cases_that_are_named(kits, risks, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    prepare_knight(kits, risks, str(tmp_path / "out"), test_cases=str(tmp_path / name))
    split = read_split(tmp_path / "out" / "split.json")
    assert split == {"training": ["case_00000"], "test": ["case_00001"]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "case\ncase_00001\n", "is no list of cases"),
        ("t.json", "{", "is no list of cases"),
        ("t.json", '["case_00009"]', "none of the 2 cases at hand are held out"),
        ("t.json", '["case_00000", "case_00001"]', "all of the 2 cases at hand are held out"),
    ],
)
def test_held_out_cases_that_are_no_part(kits, risks, tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        prepare_knight(kits, risks, str(tmp_path / "out"), test_cases=str(tmp_path / name))
    assert not (tmp_path / "out").exists()


def test_real_kidney_masks(shared_data, tmp_path):
    source = shared_data / "kidney_masks"
    kits = tmp_path / "kits"
    kits.mkdir()
    for name in ("case_00004", "case_00008"):
        (kits / f"{name}.nii.gz").symlink_to(source / f"{name}.nii.gz")
    text = prepare_knight(str(kits), str(source / "knight.json"), str(tmp_path / "out"))
    assert "2 cases (1 NoAT, 1 CanAT)" in text
    for name, tumour_class in (("case_00004", 1), ("case_00008", 2)):
        tumour = np.asarray(nib.load(source / f"{name}.nii.gz").dataobj) == 2
        assert tumour.any()
        prepared = label(tmp_path / "out", name)
        assert np.array_equal(np.asarray(prepared.dataobj), np.multiply(tumour, tumour_class, dtype=np.uint8))
        np.testing.assert_array_equal(prepared.affine, nib.load(source / f"{name}.nii.gz").affine)
