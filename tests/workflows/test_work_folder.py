"""Where things are, and which of them count as finished."""

from __future__ import annotations

import pytest

from custom.cohort.manifest import CohortCase
from custom.workflows.work_folder import WorkFolder, is_finished, record_of


@pytest.fixture
def work(tmp_path):
    return WorkFolder(tmp_path / "work")


def test_the_files_of_a_stage(work):
    stage = work.stage("1_organs")
    names = ("record", "inputs", "model", "scores", "cache", "review", "case_list", "validation_list")
    assert [str(getattr(stage, name).relative_to(work.path)) for name in names] == [
        "stages/1_organs/record.json",
        "stages/1_organs/inputs.json",
        "stages/1_organs/models/model.pt",
        "stages/1_organs/output/validation/metrics.json",
        "stages/1_organs/cache",
        "stages/1_organs/review",
        "stages/1_organs/training_cases.json",
        "stages/1_organs/validation_cases.json",
    ]
    assert stage.pseudo_label("dataset2", "a.b") == stage.path / "pseudo_labels" / "dataset2" / "a.b.nii.gz"
    assert stage.merged("a.b") == stage.path / "labels" / "a.b.nii.gz"
    assert record_of(stage.merged("a.b")) == stage.path / "labels" / "a.b.json"


def test_a_relative_folder_stays_where_it_is_when_the_process_moves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work = WorkFolder("work")
    monkeypatch.chdir("/")
    assert work.path == tmp_path / "work"


def test_a_label_is_finished_with_its_record_which_is_written_after_it(tmp_path):
    label = tmp_path / "a.b.nii.gz"
    assert not is_finished(label)
    label.touch()
    assert not is_finished(label), "killed between the two"
    (tmp_path / "a.b.json").touch()
    assert is_finished(label)
    label.unlink()
    assert not is_finished(label)


def test_cases_excluded_add_up_and_are_left_out(work):
    cases = [CohortCase(name, f"{name}.nii.gz", None, ()) for name in "abc"]
    assert work.usable(cases) == cases
    work.exclude({})
    assert not work.excluded_file.exists()
    work.exclude({"b": "torn"})
    work.exclude({"x": "of another group"})
    assert WorkFolder(work.path).excluded() == {"b": "torn", "x": "of another group"}
    assert work.usable(cases) == [cases[0], cases[2]]


def test_a_new_list_of_cases_excluded_takes_the_place_of_the_old(work):
    work.replace_excluded({})
    assert not work.excluded_file.exists()
    work.exclude({"a": "torn", "b": "torn"})
    work.replace_excluded({"b": "torn", "c": "empty"})
    assert work.excluded() == {"b": "torn", "c": "empty"}
