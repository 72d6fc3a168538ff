"""Predictions that fail on some cases, and labels of a few voxels merged by hand."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from custom.cohort.manifest import CohortCase
from custom.errors import InputError
from custom.processes import is_first, rank
from custom.workflows.disk_errors import ELSEWHERE
from custom.workflows.pseudo_labelling import label_cases, merge_group
from custom.workflows.recipe import Fill, PlannedStage, Stage
from custom.workflows.work_folder import StageFolder, is_finished, record_of

from ..cohort.test_merged_label import COHORT, CONFIDENCE, LABEL, MERGED, PSEUDO, save, volume
from ..test_processes import in_two_processes


def case(name, label=None, annotated=()):
    return CohortCase(name, f"/scans/{name}.nii.gz", label, annotated)


CASES = [case(name) for name in "abcdefgh"]


class Predictor:
    """Writes labels and records, as inference.yaml does; leaves some cases out, or fails as a whole."""

    def __init__(self, folder: Path, torn: str = "", error: Exception | None = None) -> None:
        self.folder = folder
        self.torn = torn
        self.error = error
        self.calls: list[str] = []

    def label_of(self, name: str) -> Path:
        return self.folder / f"{name}.nii.gz"

    def __call__(self, cases: list[CohortCase]) -> dict[str, str]:
        self.calls.append("".join(one.name for one in cases))
        if self.error is not None:
            raise RuntimeError("Failed to evaluate") from self.error
        for one in cases:
            if one.name not in self.torn:
                self.label_of(one.name).write_text(f"by process {rank()}")
                record_of(self.label_of(one.name)).write_text("{}")
        return {one.name: f"{one.image}: torn" for one in cases if one.name in self.torn}

    def finished(self) -> str:
        return "".join(one.name for one in CASES if is_finished(self.label_of(one.name)))


def run(predictor: Predictor, cases=CASES) -> dict[str, str]:
    return label_cases(cases, predictor.label_of, predictor)


def test_every_case_is_labelled_in_one_call(tmp_path):
    predictor = Predictor(tmp_path)
    assert run(predictor) == {}
    assert (predictor.calls, predictor.finished()) == (["abcdefgh"], "abcdefgh")


def test_what_is_finished_is_not_done_again(tmp_path):
    first = Predictor(tmp_path)
    run(first, CASES[:3])
    record_of(first.label_of("b")).unlink()  # killed between the label of b and its record
    second = Predictor(tmp_path)
    run(second)
    assert second.calls == ["bdefgh"]
    third = Predictor(tmp_path)
    run(third)
    assert third.calls == []


def test_bad_cases_are_left_out_and_all_others_labelled(tmp_path):
    predictor = Predictor(tmp_path, torn="abcdh")
    assert run(predictor) == {name: f"/scans/{name}.nii.gz: torn" for name in "abcdh"}
    assert predictor.finished() == "efg"


def test_where_every_case_of_a_group_fails_it_is_not_the_cases(tmp_path):
    with pytest.raises(InputError) as error:
        run(Predictor(tmp_path, torn="abcdefgh"))
    assert str(error.value) == (
        "none of 8 cases could be labelled, the first: /scans/a.nii.gz: torn; "
        "correct the cause, then run the same command again; what is finished is kept"
    )


def test_the_last_ones_of_a_group_may_all_be_bad(tmp_path):
    """After a run that was killed before it could note them."""
    predictor = Predictor(tmp_path, torn="fgh")
    run(predictor)
    assert list(run(predictor)) == ["f", "g", "h"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/work/b.nii.gz"),
         f"/work/b.nii.gz cannot be written (No space left on device): free space or {ELSEWHERE}"),
        (InputError("/work/b.nii.gz cannot be written (No space left on device): free space"),
         f"/work/b.nii.gz cannot be written (No space left on device): free space or {ELSEWHERE}"),
    ],
)  # fmt: skip
def test_a_full_disk_ends_the_run_with_the_remedy_of_a_work_folder(tmp_path, error, message):
    with pytest.raises(InputError) as found:
        run(Predictor(tmp_path, error=error))
    assert str(found.value) == message


def test_two_processes_share_the_cases_also_where_one_comes_late(tmp_path):
    def work() -> list:
        if not is_first():
            time.sleep(0.5)  # the first has finished its first cases by then
        predictor = Predictor(tmp_path, torn="de")
        return [run(predictor), predictor.calls]

    (first, own), (second, others) = in_two_processes(work, tmp_path)
    assert list(first) == ["e", "d"]
    assert first == second, "both know the cases of both"
    assert (own, others) == (["aceg"], ["bdfh"])
    assert Predictor(tmp_path).finished() == "abcfgh"
    assert (tmp_path / "h.nii.gz").read_text() == "by process 1"


# ---- merging: classes 1 liver, 2 spleen, 3 tumour ------------------------------------------------------------------


def planned(fill, **options):
    stage = Stage("2_both", ("group",), {"group": "1_organs"}, **options)
    return PlannedStage(stage, (fill,), (), (1, 2, 3))


@pytest.fixture
def folder(tmp_path):
    return StageFolder(tmp_path / "stages" / "2_both")


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


def test_a_label_of_another_shape_is_excluded(group):
    save(group.label["b"], np.ones((2, 3, 5), np.uint8))
    assert group.merge() == {
        "b": "/scans/b.nii.gz: merge_pseudo_label: the pseudo-label has shape (2, 3, 4), the label (2, 3, 5); "
        "both must lie on one grid"
    }
    assert group.finished() == "acd"


@pytest.mark.parametrize("fault", ["torn", "missing", "no prediction", "no confidence"])
def test_files_that_cannot_be_read_are_excluded(group, folder, fault):
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
    named = str(group.label["b"]) if fault in ("torn", "missing") else "/scans/b.nii.gz"
    assert named in failed["b"]
    assert not folder.merged("b").exists()
    assert group.finished() == "acd"


def test_three_cases_apart_that_cannot_be_merged_are_three_bad_cases(group, folder):
    for name in "abd":
        folder.pseudo_label("group", name).unlink()
    assert list(group.merge()) == ["a", "b", "d"]
    assert group.finished() == "c"


def test_where_none_can_be_merged_the_run_ends(group, folder):
    for name in "abcd":
        folder.pseudo_label("group", name).unlink()
    with pytest.raises(InputError, match=r"none of 4 cases could be .*: /scans/a.nii.gz: .*a.nii.gz: does not exist"):
        group.merge()
    assert group.finished() == ""


def test_a_full_disk_ends_the_merging(group, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/work/labels/a.nii.gz")

    monkeypatch.setattr(nib, "save", full)
    with pytest.raises(InputError, match=r"^/work/labels/a.nii.gz cannot be written \(No space left on device\): free"):
        group.merge()
