"""Where things are, and which of them count as finished."""

from __future__ import annotations

import pytest

from custom.cohort.manifest import CohortCase
from custom.errors import InputError
from custom.io.atomic_write import replacing
from custom.workflows.work_folder import WorkFolder, is_finished, read_json, record_of


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


def test_records_of_stages_begun_or_not(work):
    work.stage("b").path.mkdir(parents=True)
    work.stage("b").record.write_text('{"stage": "b", "state": "running"}')
    assert work.records(["a", "b"]) == [{"stage": "a", "state": "not begun"}, {"stage": "b", "state": "running"}]


def test_cases_set_aside_add_up_and_are_left_out(work):
    cases = [CohortCase(name, f"{name}.nii.gz", None, ()) for name in "abc"]
    assert work.usable(cases) == cases
    work.add_set_aside({})
    assert not work.set_aside_file.exists()
    work.add_set_aside({"b": "torn"})
    work.add_set_aside({"x": "of another group"})
    assert WorkFolder(work.path).set_aside() == {"b": "torn", "x": "of another group"}
    assert work.usable(cases) == [cases[0], cases[2]]


def test_a_new_list_of_cases_set_aside_takes_the_place_of_the_old(work):
    work.replace_set_aside({})
    assert not work.set_aside_file.exists()
    work.add_set_aside({"a": "torn", "b": "torn"})
    work.replace_set_aside({"b": "torn", "c": "empty"})
    assert work.set_aside() == {"b": "torn", "c": "empty"}


def test_what_a_killed_run_left_half_written_is_removed(work):
    label = work.stage("a").merged("x")
    with pytest.raises(KeyboardInterrupt), replacing(label) as temporary:
        temporary.with_name(".tmp_killed_x.nii.gz").touch()
        (work.stage("a").path / "labels" / ".tmp_folder").mkdir()
        label.touch()
        raise KeyboardInterrupt
    work.remove_leftovers()
    assert sorted(file.name for file in label.parent.iterdir()) == [".tmp_folder", "x.nii.gz"]
    WorkFolder(work.path / "not" / "made").remove_leftovers()


def test_replaced_stages_are_kept_however_often(work):
    for content in ("first", "second", "third"):
        work.stage("a").path.mkdir(parents=True)
        (work.stage("a").path / "file").write_text(content)
        (place,) = work.replace(["a", "never_begun"])
        assert (place / "file").read_text() == content
        assert not work.stage("a").path.exists()
    kept = sorted((work.path / "replaced").iterdir())
    assert [(one.name, (one / "file").read_text()) for one in kept] == [
        ("a.1", "first"),
        ("a.2", "second"),
        ("a.3", "third"),
    ]


def test_json_that_is_absent_or_no_json(tmp_path):
    file = tmp_path / "record.json"
    assert read_json(file, {"state": "not begun"}) == {"state": "not begun"}
    file.write_text("{")
    with pytest.raises(InputError) as error:
        read_json(file, None)
    assert str(error.value).startswith(f"{file}: cannot be read as JSON (Expecting property name")
    assert str(error.value).endswith("; restore or remove it")
