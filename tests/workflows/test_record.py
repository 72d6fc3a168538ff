"""What is read back from the files of a run."""

from __future__ import annotations

from custom.workflows.record import RunFolder, scores_of, training_seconds


def test_a_run_is_done_when_its_record_says_so(tmp_path):
    folder = RunFolder(tmp_path)
    assert not folder.is_done()
    for state in ("running", "done"):
        folder.record.write_text(f'{{"state": "{state}"}}')
        assert folder.is_done() == (state == "done")


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
