"""What is read back from the files of a run."""

from __future__ import annotations

import pytest

from custom.errors import InputError
from custom.workflows.record import RunFolder, read_json, scores_of, training_seconds


def test_a_run_is_done_when_its_record_says_so(tmp_path):
    folder = RunFolder(tmp_path)
    assert not folder.is_done()
    for state in ("running", "done"):
        folder.record.write_text(f'{{"state": "{state}"}}')
        assert folder.is_done() == (state == "done")


def test_json_that_is_absent_or_no_json(tmp_path):
    file = tmp_path / "record.json"
    assert read_json(file, {"state": "not begun"}) == {"state": "not begun"}
    file.write_text("{")
    with pytest.raises(InputError) as error:
        read_json(file, None)
    assert str(error.value).startswith(f"{file}: cannot be read as JSON (Expecting property name")
    assert str(error.value).endswith("; restore or remove it")
    file.write_text("[1]")
    with pytest.raises(InputError, match=r"record.json: holds a list, no dict; restore or remove it$"):
        read_json(file, {})


def test_scores_of_groups_where_there_are_any():
    row = {"cases": 2, "dice_mean": 0.5, "dice_sd": 0.1, "nsd_mean": 0.6, "nsd_sd": 0.2, "dice_median": 0.5}
    score = {"dice": 0.5, "dice_sd": 0.1, "nsd": 0.6, "nsd_sd": 0.2, "cases": 2}
    summary = {"liver": row, "spleen": row, "organs": row, "mean of classes": row}
    groups = {"organs": ["liver", "spleen"], "tumour": []}
    assert scores_of({"summary": summary, "groups": groups}) == {"organs": score}
    assert scores_of({"summary": summary}) == dict.fromkeys(summary, score)
    assert scores_of({}) == {}


def test_seconds_of_a_training(tmp_path):
    assert training_seconds(tmp_path / "log.csv") == 0
    (tmp_path / "log.csv").write_text("epoch,seconds\n1,1.26\n2,\n3,2\n")
    assert training_seconds(tmp_path / "log.csv") == 3.3
