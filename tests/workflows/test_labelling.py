"""Predictions that fail on some cases, and labels of a few voxels merged by hand."""

from __future__ import annotations

import errno
import json
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from custom.cohort.manifest import Cohort, CohortCase
from custom.errors import InputError
from custom.processes import is_first, rank
from custom.workflows.disk_trouble import REMEDY, telling_disk_trouble
from custom.workflows.labelling import merge_case, merge_group, predict_cases, prediction_overrides, read_labels
from custom.workflows.recipe import Fill, PlannedStage, Stage
from custom.workflows.work_folder import StageFolder, is_finished, record_of

from ..test_processes import in_two_processes

OBLIQUE = np.array([[-0.7, 0.1, 0.3, 12.5], [0.05, 0.8, -0.4, -30.25], [0.02, 0.2, 2.4, 7.0], [0, 0, 0, 1]])
SHAPE = (2, 3, 4)


def case(name, label=None, annotated=()):
    return CohortCase(name, f"/scans/{name}.nii.gz", label, annotated)


CASES = [case(name) for name in "abcdefgh"]


class Predictor:
    """Writes labels and records in the order given, as inference.yaml does; raises at some cases."""

    def __init__(self, folder: Path, errors: dict[str, Exception] | None = None) -> None:
        self.folder = folder
        self.errors = errors or {}
        self.calls: list[str] = []

    def label_of(self, one: CohortCase) -> Path:
        return self.folder / f"{one.name}.nii.gz"

    def __call__(self, cases: list[CohortCase]) -> None:
        self.calls.append("".join(one.name for one in cases))
        for one in cases:
            if one.name in self.errors:
                raise RuntimeError(f"Failed to evaluate case {one.name}") from self.errors[one.name]
            self.label_of(one).write_text(f"by process {rank()}")
            record_of(self.label_of(one)).write_text("{}")

    def finished(self) -> str:
        return "".join(one.name for one in CASES if is_finished(self.label_of(one)))


def torn(name: str) -> Exception:
    return OSError(f"/scans/{name}.nii.gz: Compressed file ended\n before the end")


def run(predictor: Predictor, cases=CASES) -> dict[str, str]:
    return predict_cases(cases, predictor.label_of, predictor)


def test_every_case_is_labelled_in_one_call(tmp_path):
    predictor = Predictor(tmp_path)
    assert run(predictor) == {}
    assert (predictor.calls, predictor.finished()) == (["abcdefgh"], "abcdefgh")


def test_what_is_finished_is_not_done_again(tmp_path):
    first = Predictor(tmp_path)
    run(first, CASES[:3])
    record_of(first.label_of(CASES[1])).unlink()  # killed between the label of b and its record
    second = Predictor(tmp_path)
    run(second)
    assert second.calls == ["bdefgh"]
    third = Predictor(tmp_path)
    run(third)
    assert third.calls == []


def test_a_bad_case_alone_is_set_aside(tmp_path):
    predictor = Predictor(tmp_path, {"c": torn("c")})
    assert run(predictor) == {"c": "/scans/c.nii.gz: OSError: /scans/c.nii.gz: Compressed file ended before the end"}
    assert predictor.calls == ["abcdefgh", "defgh"], "what comes before is not done again"
    assert predictor.finished() == "abdefgh"


def test_several_bad_cases_with_two_beside_each_other(tmp_path):
    predictor = Predictor(tmp_path, {name: torn(name) for name in "abdeh"})
    assert list(run(predictor)) == list("abdeh")
    assert predictor.finished() == "cfg"


def test_an_input_error_that_names_the_case_is_its_reason_once(tmp_path):
    predictor = Predictor(tmp_path, {"b": InputError("/scans/b.nii.gz: has shape 5 x 5, 2D; 3D is needed")})
    assert run(predictor) == {"b": "/scans/b.nii.gz: has shape 5 x 5, 2D; 3D is needed"}


def test_an_input_error_out_of_a_data_loading_process(tmp_path):
    """Of which only the text with that process's traceback comes back."""
    text = (
        'Caught InputError in DataLoader worker\n  File "x.py"\ncustom.errors.InputError: /scans/b.nii.gz: is empty\n'
    )
    predictor = Predictor(tmp_path, {"b": RuntimeError(text)})
    assert run(predictor) == {"b": "/scans/b.nii.gz: is empty"}


def test_a_long_reason_is_cut(tmp_path):
    (reason,) = run(Predictor(tmp_path, {"b": ValueError("x" * 5000)})).values()
    assert reason.startswith("/scans/b.nii.gz: ValueError: xxx")
    assert len(reason) < 400


@pytest.mark.parametrize("position", ["first", "last"])
def test_three_bad_cases_in_a_row_are_not_the_cases(tmp_path, position):
    names = "abc" if position == "first" else "efg"
    predictor = Predictor(tmp_path, {name: MemoryError("no memory") for name in names})
    with pytest.raises(InputError) as error:
        run(predictor)
    assert str(error.value) == (
        f"3 cases in a row could not be labelled, the last: /scans/{names[-1]}.nii.gz: MemoryError: no memory; "
        "correct the cause, then run the same command again; what is finished is kept"
    )
    assert predictor.finished() == ("" if position == "first" else "abcd")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/work/b.nii.gz"),
         f"/work/b.nii.gz cannot be written (No space left on device): {REMEDY}"),
        (InputError("model.pt does not fit the network: pass the overlays it was trained with"),
         "model.pt does not fit the network: pass the overlays it was trained with"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_every_case_ends_the_run(tmp_path, error, message):
    predictor = Predictor(tmp_path, {"b": error})
    with pytest.raises(InputError) as found, telling_disk_trouble():
        run(predictor)
    assert str(found.value) == message
    assert predictor.finished() == "a"


def test_a_scan_that_may_not_be_read_is_no_full_disk(tmp_path):
    error = PermissionError(errno.EACCES, "Permission denied", "/scans/b.nii.gz")
    assert "Permission denied" in run(Predictor(tmp_path, {"b": error}))["b"]


def test_an_error_after_the_last_case_is_raised_as_it_is(tmp_path):
    class FailsAtTheEnd(Predictor):
        def __call__(self, cases: list[CohortCase]) -> None:
            super().__call__(cases)
            raise RuntimeError("cannot close the loader")

    predictor = FailsAtTheEnd(tmp_path)
    with pytest.raises(RuntimeError, match="cannot close the loader"):
        run(predictor)
    assert run(predictor) == {}


def test_two_processes_share_the_cases_also_where_one_comes_late(tmp_path):
    def work() -> list:
        if not is_first():
            time.sleep(0.5)  # the first has finished its first cases by then
        predictor = Predictor(tmp_path, {"d": torn("d"), "e": torn("e")})
        return [run(predictor), predictor.calls]

    (first, own), (second, others) = in_two_processes(work, tmp_path)
    assert list(first) == ["e", "d"]
    assert first == second, "both know the cases of both"
    assert (own, others) == (["aceg", "g"], ["bdfh", "fh"])
    assert Predictor(tmp_path).finished() == "abcfgh"
    assert (tmp_path / "h.nii.gz").read_text() == "by process 1"


def test_ids_of_a_prediction(tmp_path):
    model = StageFolder(tmp_path / "stages" / "1_organs")
    cases = [CohortCase("AMOS_1", "/amos/0001.nii.gz", None, ()), CohortCase("MSD_1", "/msd/0001.nii.gz", None, ())]
    found = prediction_overrides(tmp_path / "cases.json", cases, tmp_path / "out", model, {"stage": "2"})
    assert found["checkpoint"] == str(model.models / "model.pt")
    assert found["intensity_file"] == str(model.models / "intensity.json"), "of the model, not of the cohort now"
    assert found["dataset#data"] == f"$datalist.read_case_list('{tmp_path}/cases.json')"
    assert (found["output_dir"], found["record_facts"]) == (str(tmp_path / "out"), {"stage": "2"})
    names = [found[f"{kind}_formatter"]({"filename_or_obj": "/msd/0001.nii.gz"}) for kind in ("label", "confidence")]
    assert names == [{"subject": "MSD_1.nii.gz"}, {"subject": "MSD_1_confidence.nii.gz"}]


# ---- merging: classes 1 liver, 2 spleen, 3 tumour ------------------------------------------------------------------

COHORT = Cohort("c", ("liver", "spleen", "tumour"), (3,), ())
# the first voxels of a row each; all others are 0
LABEL = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
PSEUDO = [1, 3, 0, 2, 2, 1, 2, 3, 1, 2, 0, 3]
CONFIDENCE = [255] * 9 + [100, 100, 100]
MERGED = [1, 3, 1, 1, 1, 1, 2, 3, 0, 2, 0, 3]  # where liver is annotated, with a tumour as the only other class
VOXEL_ML = abs(np.linalg.det(OBLIQUE[:3, :3])) / 1000


def volume(values):
    found = np.zeros(SHAPE, np.uint8)
    found.reshape(-1)[: len(values)] = values
    return found


def save(file, values, affine=OBLIQUE):
    file.parent.mkdir(parents=True, exist_ok=True)
    array = volume(values) if isinstance(values, list) else values
    nib.save(nib.Nifti1Image(array, affine), file)
    return str(file)


def planned(fill, **options):
    stage = Stage("2_both", ("group",), {"group": "1_organs"}, **options)
    return PlannedStage(stage, (fill,), (), (1, 2, 3))


@pytest.fixture
def folder(tmp_path):
    return StageFolder(tmp_path / "stages" / "2_both")


@pytest.fixture
def merge(tmp_path, folder):
    """Merges a case of one group by hand-written files; gives label and record."""

    def merged(label=LABEL, annotated=(1,), pseudo=PSEUDO, classes=(1, 2, 3), sure=None, **options):
        file = None if label is None else save(tmp_path / "labels" / "x.nii.gz", label)
        one = case("x", file, annotated if file else ())
        fill = Fill("group", "1_organs", classes, (one,))
        save(folder.pseudo_label("group", "x"), pseudo)
        if sure is not None:
            save(folder.pseudo_labels("group") / "x_confidence.nii.gz", sure)
        merge_case(planned(fill, **options), fill, one, COHORT, folder, "c0ffee")
        image = nib.load(folder.merged("x"))
        return np.asarray(image.dataobj), json.loads(record_of(folder.merged("x")).read_text()), image

    return merged


def test_the_merged_label_and_its_record(merge, tmp_path):
    label, record, _ = merge()
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, volume(MERGED))
    assert record == {
        "case": "x",
        "stage": "2_both",
        "model": {"stage": "1_organs", "sha256": "c0ffee"},
        "image": "/scans/x.nii.gz",
        "label": f"{tmp_path}/labels/x.nii.gz",
        "annotated": ["liver"],
        "filled": ["spleen", "tumour"],
        "lesions_overwrite": True,
        "confidence": 0.0,
        "volumes_ml": {
            "liver": round(5 * VOXEL_ML, 3),
            "spleen": round(2 * VOXEL_ML, 3),
            "tumour": round(3 * VOXEL_ML, 3),
        },
        "ignored_voxels": 0,
    }


def test_geometry_is_that_of_the_prediction_oblique_and_flipped(merge):
    _, _, image = merge()
    np.testing.assert_allclose(image.affine, OBLIQUE, atol=1e-6)
    assert image.shape == SHAPE


def test_a_tumour_is_kept_out_of_annotated_organs_where_wanted(merge):
    label, record, _ = merge(lesions_overwrite=False)
    np.testing.assert_array_equal(label, volume([1, 1, *MERGED[2:]]))
    assert record["lesions_overwrite"] is False


def test_voxels_of_low_confidence_are_ignored_and_counted(merge):
    label, record, _ = merge(sure=CONFIDENCE, confidence=0.5)
    expected = volume([*MERGED[:9], 255, 255, 255])
    expected.reshape(-1)[12:] = 255  # where the confidence is 0
    np.testing.assert_array_equal(label, expected)
    assert (record["ignored_voxels"], record["confidence"]) == (15, 0.5)
    assert record["volumes_ml"]["tumour"] == round(2 * VOXEL_ML, 3)


def test_without_a_threshold_no_confidence_is_looked_at(merge):
    label, record, _ = merge(sure=CONFIDENCE)
    np.testing.assert_array_equal(label, volume(MERGED))
    assert record["ignored_voxels"] == 0


def test_an_unlabelled_case_takes_what_the_model_knows(merge):
    label, record, _ = merge(label=None, classes=(1, 2), pseudo=[1, 2, 0, 2])
    np.testing.assert_array_equal(label, volume([1, 2, 0, 2]))
    assert (record["label"], record["annotated"], record["filled"]) == (None, [], ["liver", "spleen"])


def test_a_label_saved_as_scaled_numbers_is_the_same_label(tmp_path):
    """Stored 3, 3, ... times 0.333: read as 0.999."""
    image = nib.Nifti1Image(volume(LABEL).astype(np.int16) * 3, OBLIQUE)
    image.header.set_slope_inter(0.333, 0)
    nib.save(image, tmp_path / "scaled.nii.gz")
    labels, _ = read_labels(tmp_path / "scaled.nii.gz")
    assert labels.dtype == torch.uint8
    np.testing.assert_array_equal(labels, volume(LABEL))


def test_merged_twice_is_equal_to_the_byte(merge, folder):
    merge()
    once = folder.merged("x").read_bytes()
    time.sleep(0.01)
    merge()
    assert folder.merged("x").read_bytes() == once


@pytest.fixture
def group(tmp_path, folder):
    """Four cases with labels and predictions, and a way to merge them."""
    cases = [case(name, save(tmp_path / "labels" / f"{name}.nii.gz", LABEL), (1,)) for name in "abcd"]
    fill = Fill("group", "1_organs", (1, 2, 3), tuple(cases))
    for one in cases:
        save(folder.pseudo_label("group", one.name), PSEUDO)

    class Group:
        label = {one.name: Path(one.label) for one in cases}

        def merge(self, **options):
            return merge_group(planned(fill, **options), fill, cases, COHORT, folder, "c0ffee")

        def finished(self):
            return "".join(one.name for one in cases if is_finished(folder.merged(one.name)))

    return Group()


def test_a_group_is_merged_once(group, folder):
    assert group.merge() == {}
    assert group.finished() == "abcd"
    times = [folder.merged(name).stat().st_mtime_ns for name in "abd"]
    record_of(folder.merged("c")).unlink()
    folder.merged("c").write_text("half of a label")
    assert group.merge() == {}
    assert [folder.merged(name).stat().st_mtime_ns for name in "abd"] == times
    np.testing.assert_array_equal(np.asarray(nib.load(folder.merged("c")).dataobj), volume(MERGED))


def test_a_label_of_another_shape_is_set_aside(group):
    save(group.label["b"], np.ones((2, 3, 5), np.uint8))
    assert group.merge() == {
        "b": "/scans/b.nii.gz: merge_pseudo_label: the pseudo-label has shape (2, 3, 4), the label (2, 3, 5); "
        "both must lie on one grid"
    }
    assert group.finished() == "acd"


@pytest.mark.parametrize("fault", ["torn", "missing", "no prediction", "no confidence"])
def test_files_that_cannot_be_read_are_set_aside(group, folder, fault):
    options = {}
    if fault == "torn":
        group.label["b"].write_bytes(group.label["b"].read_bytes()[:-25])
    elif fault == "missing":
        group.label["b"].unlink()
    elif fault == "no prediction":
        folder.pseudo_label("group", "b").unlink()
    else:
        options["confidence"] = 0.5
        for name in "acd":
            save(folder.pseudo_labels("group") / f"{name}_confidence.nii.gz", CONFIDENCE)
    failed = group.merge(**options)
    assert list(failed) == ["b"]
    assert failed["b"].startswith("/scans/b.nii.gz: ")
    assert group.finished() == "acd"


def test_three_cases_apart_that_cannot_be_merged_are_three_bad_cases(group, folder):
    for name in "abd":
        folder.pseudo_label("group", name).unlink()
    assert list(group.merge()) == ["a", "b", "d"]
    assert group.finished() == "c"


def test_three_cases_in_a_row_that_cannot_be_merged_end_the_run(group, folder):
    for name in "abc":
        folder.pseudo_label("group", name).unlink()
    with pytest.raises(
        InputError, match=r"3 cases in a row could not be labelled, the last: /scans/c.nii.gz: FileNotFound"
    ):
        group.merge()
    assert group.finished() == ""


def test_a_full_disk_ends_the_merging(group, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/work/labels/a.nii.gz")

    monkeypatch.setattr(nib, "save", full)
    with pytest.raises(InputError, match=r"^/work/labels/a.nii.gz cannot be written \(No space left on device\): free"):
        group.merge()
