import dataclasses
import gzip
import json
import logging

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from custom.datalist.folder_layouts import training_cases
from custom.datalist.left_out import LeftOut
from custom.errors import InputError
from custom.fingerprint import data_check
from custom.fingerprint.data_check import (
    CaseFacts,
    count_values,
    foreground_classes,
    inspect_case,
    only_usable,
    raise_on_problems,
)
from custom.fingerprint.dataset_fingerprint import CACHE_VERSION, check_cases

from ..io.scan_files import turned, write_scan, write_series

AFFINE = np.diag([0.5, 0.5, 3.0, 1.0])


def scan(path, voxels=None, affine=AFFINE):
    """Write a scan, 6 x 5 x 4 voxels of noise by default, and return its path as text."""
    if voxels is None:
        voxels = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return str(path)


def label_voxels(value=1):
    voxels = np.zeros((6, 5, 4), np.uint8)
    voxels[2:4, 2, 1:3] = value
    return voxels


@pytest.fixture
def case(tmp_path):
    return {"image": scan(tmp_path / "i" / "a.nii.gz"), "label": scan(tmp_path / "l" / "a.nii.gz", label_voxels())}


def problem(case, num_classes=2):
    """The one problem of a case."""
    (line,) = inspect_case(case, num_classes).problems
    assert "\n" not in line
    assert "; " in line  # the remedy
    return line


def test_facts_of_a_sound_case(case):
    facts = inspect_case(case, 2)
    assert facts == CaseFacts(
        name="a",
        images=[case["image"]],
        label=case["label"],
        shape=[6, 5, 4],
        spacing=[0.5, 0.5, 3.0],
        affine=AFFINE.tolist(),
        label_voxels={0: 116, 1: 4},
        problems=[],
    )
    assert facts.foreground == (1,)


def test_voxels_far_too_small_are_those_of_wrong_units(case, tmp_path):
    for key in case:
        image = nib.load(case[key])
        affine = np.diag([2e-7, 2e-7, 1e-6, 1])
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), case[key])
    line = inspect_case(case, 2).problems[0]
    assert line.startswith(f"{case['image']}: voxels of 2e-07 x 2e-07 x 1e-06 mm are none of a scan; correct the units")


def test_scan_without_label(case):
    facts = inspect_case({"image": case["image"]})
    assert (facts.name, facts.label, facts.label_voxels, facts.problems) == ("a", None, {}, [])


def test_no_foreground_is_stated_and_no_problem(tmp_path, case):
    case["label"] = scan(tmp_path / "empty.nii.gz", label_voxels(0))
    facts = inspect_case(case, 2)
    assert (facts.label_voxels, facts.foreground, facts.problems) == ({0: 120}, (), [])


def test_lesion_of_one_voxel_at_the_border(tmp_path, case):
    voxels = np.zeros((6, 5, 4), np.uint8)
    voxels[0, 0, 0] = 1
    case["label"] = scan(tmp_path / "l.nii.gz", voxels)
    assert inspect_case(case, 2).label_voxels == {0: 119, 1: 1}


def test_different_shape(tmp_path, case):
    case["label"] = scan(tmp_path / "l.nii.gz", np.ones((6, 5, 3), np.uint8))
    assert problem(case).startswith(f"{case['label']}: shape 6 x 5 x 3 differs from 6 x 5 x 4 of {case['image']}; ")


def test_different_affine_names_both(tmp_path, case):
    shifted = AFFINE.copy()
    shifted[2, 3] = 1.5
    case["label"] = scan(tmp_path / "l.nii.gz", label_voxels(), shifted)
    assert problem(case).startswith(
        f"{case['label']}: affine [0.5 0 0 0; 0 0.5 0 0; 0 0 3 1.5] lies up to 1.5 mm apart from "
        f"[0.5 0 0 0; 0 0.5 0 0; 0 0 3 0] of {case['image']}; resample"
    )


def test_rounding_of_the_affine_is_tolerated_where_the_far_corner_is_not(tmp_path, case):
    rounded, stretched = AFFINE.copy(), AFFINE.copy()
    rounded[0, 3] = 0.005
    stretched[0, 0] += 0.01  # 0.05 mm at the sixth voxel
    case["label"] = scan(tmp_path / "l.nii.gz", label_voxels(), rounded)
    assert inspect_case(case, 2).problems == []
    case["label"] = scan(tmp_path / "m.nii.gz", label_voxels(), stretched)
    assert "up to 0.05 mm apart" in problem(case)


def test_channels_must_lie_on_one_grid(tmp_path, case):
    other = scan(tmp_path / "a_0001.nii.gz", np.random.default_rng(1).normal(size=(6, 5, 5)))
    facts = inspect_case({**case, "image": [case["image"], other]}, 2)
    assert facts.problems[0].startswith(f"{other}: shape 6 x 5 x 5 differs from 6 x 5 x 4 of {case['image']}")
    assert facts.images == [case["image"], other]


@pytest.mark.parametrize(("value", "shown"), [(2, "2"), (255, "255")])
def test_label_values_outside_the_classes(tmp_path, case, value, shown):
    case["label"] = scan(tmp_path / "l.nii.gz", label_voxels(value))
    assert problem(case).startswith(f"{case['label']}: label values {shown} are outside the classes 0 to 1; correct")
    assert inspect_case(case, None).problems == []


def test_negative_and_many_label_values(tmp_path, case):
    case["label"] = scan(tmp_path / "l.nii.gz", np.arange(-3, 117, dtype=np.int16).reshape(6, 5, 4))
    assert "label values -3, -2, -1, 2, 3, ... are outside" in problem(case)


@pytest.mark.parametrize(("value", "shown"), [(0.5, "0.5"), (np.nan, "nan"), (np.inf, "inf")])
def test_label_values_that_are_no_whole_numbers(tmp_path, case, value, shown):
    case["label"] = scan(tmp_path / "l.nii.gz", np.where(label_voxels(), value, 0).astype(np.float32))
    assert problem(case).startswith(f"{case['label']}: label values are not whole numbers ({shown}); save")


def test_whole_numbers_as_float_and_by_a_scale_factor(tmp_path, case):
    case["label"] = scan(tmp_path / "l.nii.gz", label_voxels().astype(np.float64))
    assert inspect_case(case, 2).label_voxels == {0: 116, 1: 4}
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    image = nib.Nifti1Image(label_voxels(30), AFFINE, header)
    nib.save(image, tmp_path / "m.nii")
    with (tmp_path / "m.nii").open("r+b") as file:  # scl_slope; nibabel itself chooses no factor for integers
        file.seek(112)
        file.write(np.float32(0.1).tobytes())
    assert nib.load(tmp_path / "m.nii").get_fdata().max() == pytest.approx(3)
    case["label"] = str(tmp_path / "m.nii")
    assert inspect_case(case, 4).label_voxels == {0: 116, 3: 4}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_intensities_that_are_not_finite(tmp_path, case, value):
    voxels = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    voxels[1, 2, 1:4] = value
    case["image"] = scan(tmp_path / "i.nii.gz", voxels)
    assert problem(case).startswith(f"{case['image']}: 3 voxels are NaN or infinite; replace")


def test_constant_intensities(tmp_path, case):
    case["image"] = scan(tmp_path / "i.nii.gz", np.full((6, 5, 4), 7, np.int16))
    assert problem(case).startswith(f"{case['image']}: every voxel has the same intensity 7; ")


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((6, 5), "has shape 6 x 5, 2D; 3D is needed: save the whole volume"),
        ((6, 5, 4, 2), "has shape 6 x 5 x 4 x 2, 4D; 3D is needed: save one file for each channel"),
    ],
)
def test_other_than_three_axes(tmp_path, case, shape, text):
    voxels = np.random.default_rng(0).normal(size=shape)
    bad = scan(tmp_path / "bad.nii.gz", voxels)
    assert problem({**case, "image": bad}).startswith(f"{bad}: {text}")
    label = scan(tmp_path / "label.nii.gz", np.zeros(shape, np.uint8))
    assert text in problem({**case, "label": label})


def test_colour_scan(tmp_path, case):
    colour = np.zeros((6, 5, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    case["image"] = scan(tmp_path / "i.nii.gz", colour)
    assert "not numbers; save it as one grey channel" in problem(case)


def test_singular_affine(tmp_path, case):
    path = scan(tmp_path / "i.nii")
    with (tmp_path / "i.nii").open("r+b") as file:  # srow_x to zero; nibabel refuses to write that itself
        file.seek(280)
        file.write(np.zeros(4, np.float32).tobytes())
    case["image"] = path
    assert problem(case).startswith(f"{path}: affine [0 0 0 0; 0 0.5 0 0; 0 0 3 0] is not invertible; set")


def test_missing_files(tmp_path, case):
    gone = str(tmp_path / "gone.nii.gz")
    assert problem({**case, "image": gone}) == f"{gone}: does not exist; restore it or take it out of the data list"
    assert problem({**case, "label": gone}).startswith(f"{gone}: does not exist")
    assert inspect_case({**case, "image": gone}).shape == [6, 5, 4]


@pytest.mark.parametrize("kept", [0, 10, 0.5, -1, -8])
def test_truncated_file(tmp_path, case, kept):
    whole = (tmp_path / "i" / "a.nii.gz").read_bytes()
    size = int(kept * len(whole)) if kept == 0.5 else kept
    (tmp_path / "i" / "a.nii.gz").write_bytes(whole[:size])
    assert problem(case).startswith(f"{case['image']}: cannot be read (")
    assert problem(case).endswith("; copy or export it again")


def test_damaged_bytes_are_found_by_the_check_sum(tmp_path, case):
    voxels = np.random.default_rng(0).integers(0, 1000, (6, 5, 4)).astype(np.int16)
    raw = bytearray(gzip.compress(nib.Nifti1Image(voxels, AFFINE).to_bytes(), compresslevel=0))
    raw[-30] ^= 0xFF  # stored, not packed: only the check sum can tell
    (tmp_path / "i" / "a.nii.gz").write_bytes(raw)
    assert "CRC check failed" in problem(case)


@pytest.mark.parametrize("content", [b"", b"no scan at all", b"x" * 1000])
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_files_that_are_no_nifti(tmp_path, case, content, name):
    (tmp_path / name).write_bytes(content)
    assert problem({**case, "image": str(tmp_path / name)}).startswith(f"{tmp_path / name}: cannot be read (")


def test_truncated_without_gzip(tmp_path, case):
    path = scan(tmp_path / "i.nii")
    (tmp_path / "i.nii").write_bytes((tmp_path / "i.nii").read_bytes()[:-10])
    assert "cannot be read" in problem({**case, "image": path})


def test_second_nifti_version(tmp_path, case):
    path = tmp_path / "i.nii.gz"
    nib.save(nib.Nifti2Image(np.arange(120, dtype=np.int16).reshape(6, 5, 4), AFFINE), path)
    assert inspect_case({**case, "image": str(path)}, 2).problems == []


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_other_formats(tmp_path, ending):
    voxels = np.random.default_rng(0).integers(0, 9, (20, 20, 20)).astype(np.int16)
    affine = turned("PIR", (10, -20, 30), (0.5, 0.5, 3.0))
    file = write_scan(tmp_path / f"a.{ending}", voxels, affine)
    facts = inspect_case({"image": str(file)})
    assert (facts.shape, facts.spacing, facts.problems) == ([20, 20, 20], [0.5, 0.5, 3.0], [])
    assert np.allclose(facts.affine, affine)
    file.write_bytes(file.read_bytes()[:-100])
    assert f"{file}: cannot be read (OSError: " in problem({"image": str(file)})
    write_scan(file, np.full_like(voxels, 7), affine)
    assert "every voxel has the same intensity 7" in problem({"image": str(file)})


def test_colour_in_other_formats(tmp_path):
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3), str(tmp_path / "a.mha"))
    assert "has shape 4 x 4 x 4 x 3, 4D; 3D is needed" in problem({"image": str(tmp_path / "a.mha")})


def test_dicom_series(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 9, (6, 5, 4)).astype(np.int16)
    affine = turned("LPS", (10, -20, 30), (0.5, 0.5, 3.0))
    files = write_series(tmp_path, voxels, affine)
    facts = inspect_case({"image": str(tmp_path)})
    assert (facts.name, facts.shape, facts.problems) == (tmp_path.name, [6, 5, 4], [])
    assert np.allclose(facts.affine, affine)
    files[0].unlink()
    assert problem({"image": str(tmp_path)})


def test_every_problem_of_a_case_is_found(tmp_path, case):
    case["image"] = scan(tmp_path / "i.nii.gz", np.zeros((6, 5, 3), np.float32))
    case["label"] = scan(tmp_path / "l.nii.gz", label_voxels(9))
    found = " ".join(inspect_case(case, 2).problems)
    assert all(text in found for text in ("same intensity", "differs from", "outside the classes"))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.int64, bool])
@pytest.mark.parametrize("order", ["C", "F"])
def test_count_values_agrees_with_sorting(monkeypatch, dtype, order):
    monkeypatch.setattr(data_check, "CHUNK_VOXELS", 50)
    values = [0, 1] if dtype is bool else [0, 1, 5, 100]
    voxels = np.asarray(np.random.default_rng(0).choice(values, (7, 6, 5)).astype(dtype), order=order)
    expected = dict(zip(*(array.tolist() for array in np.unique(voxels, return_counts=True)), strict=True))
    assert count_values(voxels) == expected


def test_count_values_of_a_wide_range():
    assert count_values(np.array([[-(2**40), 3, 3, 2**40]])) == {-(2**40): 1, 3: 2, 2**40: 1}


class TestManyCases:
    @pytest.fixture
    def cases(self, tmp_path):
        return [
            {
                "image": scan(tmp_path / f"i/{name}.nii.gz"),
                "label": scan(tmp_path / f"l/{name}.nii.gz", label_voxels(k)),
            }
            for k, name in enumerate("abcd")
        ]

    def test_order_and_agreement_with_one_by_one(self, cases):
        assert check_cases(cases, 4) == [inspect_case(case, 4) for case in cases]
        assert check_cases([], 4) == []

    def test_progress_is_shown_and_only_by_the_first_process(self, cases, capsys, monkeypatch):
        check_cases(cases, description="checking phantoms")
        assert "checking phantoms: 100%" in capsys.readouterr().err
        monkeypatch.setenv("RANK", "1")
        check_cases(cases)
        assert capsys.readouterr().err == ""

    def test_cache_saves_reading_until_a_file_changes(self, cases, reads, tmp_path):
        cache = tmp_path / "out" / "facts.json"
        first = check_cases(cases, 4, cache)
        assert len(reads) == 8
        assert check_cases(cases, 4, cache) == first
        assert len(reads) == 8
        scan(tmp_path / "l/b.nii.gz", np.ones((6, 5, 4), np.uint8))
        assert check_cases(cases, 4, cache)[1].label_voxels == {1: 120}
        assert sorted(reads[8:]) == [cases[1]["image"], cases[1]["label"]]
        assert len(json.loads(cache.read_text())["entries"]) == 4

    def test_cache_serves_any_number_of_classes(self, cases, reads, tmp_path):
        check_cases(cases, 4, tmp_path / "facts.json")
        facts = check_cases(cases, 3, tmp_path / "facts.json")
        assert len(reads) == 8
        assert [bool(fact.problems) for fact in facts] == [False, False, False, True]

    def test_cases_with_problems_are_read_again(self, cases, reads, tmp_path):
        scan(tmp_path / "i/a.nii.gz", np.zeros((6, 5, 4)))
        check_cases(cases, 4, tmp_path / "facts.json")
        del reads[:]
        assert check_cases(cases, 4, tmp_path / "facts.json")[0].problems
        assert sorted(reads) == [cases[0]["image"], cases[0]["label"]]

    def test_missing_file_with_a_cache(self, cases, tmp_path):
        check_cases(cases, 4, tmp_path / "facts.json")
        (tmp_path / "l/c.nii.gz").unlink()
        assert "does not exist" in check_cases(cases, 4, tmp_path / "facts.json")[2].problems[0]

    def test_cache_of_another_list_is_kept(self, cases, reads, tmp_path):
        check_cases(cases[:2], 4, tmp_path / "facts.json")
        check_cases(cases[2:], 4, tmp_path / "facts.json")
        del reads[:]
        check_cases(cases, 4, tmp_path / "facts.json")
        assert reads == []

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", '{"version": 0}', '{"version": 2, "entries": [{}]}', '{"a": 1}', "7"]
    )
    def test_damaged_or_foreign_cache_is_ignored(self, cases, tmp_path, text):
        (tmp_path / "facts.json").write_text(text)
        assert check_cases(cases, 4, tmp_path / "facts.json") == check_cases(cases, 4)
        assert json.loads((tmp_path / "facts.json").read_text())["version"] == CACHE_VERSION

    def test_two_runs_write_equal_caches(self, cases, tmp_path):
        check_cases(cases, 4, tmp_path / "one.json")
        check_cases(cases[::-1], 4, tmp_path / "two.json", num_workers=1)
        assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()

    def test_unwritable_cache(self, cases, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match=r"file/facts.json cannot be written \(.+\): pass another output folder"):
            check_cases(cases, 4, tmp_path / "file" / "facts.json")

    def test_foreground_from_labels_alone(self, cases, reads, tmp_path, caplog):
        (tmp_path / "l/c.nii.gz").write_bytes(b"")
        assert foreground_classes(cases) == {"a": (), "b": (1,), "c": (), "d": (3,)}
        assert sorted(reads) == [case["label"] for case in cases]
        assert "c.nii.gz: cannot be read" in caplog.text


PADDED = np.random.default_rng(0).normal(500, 200, (6, 5, 4)).astype(np.float32)
PADDED[0] = 0


@pytest.mark.parametrize("padding", [-3.4e38, 1e36, -(2.0**31)])
def test_padding_that_drowns_the_scan_is_named_where_intensities_are_not_clipped(tmp_path, padding):
    voxels = np.where(PADDED == 0, np.float32(padding), PADDED)
    case = {"image": scan(tmp_path / "a.nii.gz", voxels)}
    cache = tmp_path / "facts.json"
    for _ in ("read", "remembered"):
        (zscore,) = check_cases([case], cache_file=cache, normalisation="zscore")
        (line,) = zscore.problems
        assert line.startswith(f"{case['image']}: intensities of {voxels.flat[0]:.6g} leave nothing of all others")
        (clipped,) = check_cases([case], cache_file=cache, normalisation="ct")
        assert clipped.problems == []


@pytest.mark.parametrize("padding", [-1024, -32768, 1e6])
def test_usual_padding_is_none_of_it(tmp_path, padding):
    case = {"image": scan(tmp_path / "a.nii.gz", np.where(PADDED == 0, np.float32(padding), PADDED))}
    assert check_cases([case], normalisation="zscore")[0].problems == []


def test_large_numbers_alone_do_not_drown_each_other(tmp_path):
    case = {"image": scan(tmp_path / "a.nii.gz", PADDED * np.float32(1e10))}
    assert check_cases([case], normalisation="zscore")[0].problems == []


class TestReporting:
    def facts(self, *problems):
        sound = CaseFacts("a", ["a.nii"], None, [1, 1, 1], [1, 1, 1], np.eye(4).tolist(), {}, [])
        return [dataclasses.replace(sound, problems=list(lines)) for lines in problems]

    def test_sound_data_pass(self):
        raise_on_problems(self.facts((), ()))

    def test_one_problem_is_one_line(self):
        with pytest.raises(InputError) as error:
            raise_on_problems(self.facts((), ["x.nii: is empty; remove it"]))
        assert str(error.value) == "1 of 2 cases cannot be used: x.nii: is empty; remove it"

    def test_ten_problems_are_listed(self):
        with pytest.raises(InputError) as error:
            raise_on_problems(self.facts(*([f"{number}.nii: bad; mend it"] for number in range(13))))
        lines = str(error.value).splitlines()
        assert lines[0] == "13 of 13 cases cannot be used: 0.nii: bad; mend it"
        assert lines[1:10] == [f"  {number}.nii: bad; mend it" for number in range(1, 10)]
        assert lines[10:] == ["  and 3 more like these"]

    def test_bad_cases_are_left_out_with_a_line_each(self, caplog):
        cases = [{"image": name} for name in "abc"]
        left_out = LeftOut()
        facts = self.facts((), ["b: bad; mend", "b: worse; mend"], ())
        with caplog.at_level(logging.WARNING):
            assert only_usable(cases, facts, left_out) == [cases[0], cases[2]]
        assert [record.getMessage() for record in caplog.records] == ["left out: b: bad; mend; also b: worse; mend"]
        assert left_out.reasons == {"b": "b: bad; mend; also b: worse; mend"}


def test_hippocampus_is_sound(shared_data):
    facts = check_cases(training_cases(shared_data / "hippocampus"), 3)
    assert [fact for fact in facts if fact.problems] == []
    assert {fact.foreground for fact in facts} == {(1, 2)}


def test_spine_scans_and_label(shared_data):
    spine = shared_data / "spine"
    case = {"image": str(spine / "t2_fake_lesion.nii.gz"), "label": str(spine / "t2_fake_lesion_lesion_seg.nii.gz")}
    assert inspect_case(case, 2).problems == []
    swapped = {"image": str(spine / "t2.nii.gz"), "label": str(spine / "t2_fake_lesion_sc_seg.nii.gz")}
    assert "differs from 60 x 55 x 52" in inspect_case(swapped, 2).problems[0]
