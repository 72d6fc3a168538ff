"""A table of hand-written records."""

from __future__ import annotations

from custom.reports.run_table import run_table


def test_runs_what_they_follow_from_and_their_scores():
    score = {"liver": {"dice": 0.5}, "spleen": {"dice": 0.25, "nsd": 0.75}}
    records = [
        {"run": "train", "state": "done", "needs": [], "finished": "2026-01-01", "scores": {}},
        {"run": "score", "state": "running", "needs": ["train", "split"], "scores": score},
        {"run": "export", "state": "not begun"},
    ]
    titles, _, *lines = run_table(records).splitlines()
    assert titles.split("  ")[0] == "run"
    assert titles.endswith("liver DSC/NSD  spleen DSC/NSD")
    assert [line.split() for line in lines] == [
        ["train", "done", "-", "2026-01-01", "-", "-"],
        ["score", "running", "train,", "split", "-", "0.500", "0.250/0.750"],
        ["export", "not", "begun", "-", "-", "-", "-"],
    ]
