"""What is said about inputs that changed; see also `test_stage_inputs.py`."""

from __future__ import annotations

from custom.workflows.changes import changes, digest, shortened


def test_nested_changes_are_named_by_their_keys():
    before = {"version": "0.1", "cases": {"a": {"label": 1}, "b": 2}, "gone": []}
    now = {"version": "0.1", "cases": {"a": {"label": None}, "c": 3}, "b": {}}
    assert changes(before, now) == [
        "cases a label 1 -> null",
        "cases b is gone",
        "cases c is new",
        "gone is gone",
        "b is new",
    ]
    assert changes(before, dict(before)) == []
    assert changes({"a": "0" * 64}, {"a": "1"}) == ['a "00000000000... -> "1"']


def test_many_changes_are_counted():
    lines = [f"cases {number} is new" for number in range(11)]
    assert shortened(lines[:2]) == "cases 0 is new; cases 1 is new"
    assert shortened(lines[:8]).endswith("; cases 7 is new")
    assert shortened(lines).endswith("; cases 7 is new; and 3 more")


def test_a_digest_follows_from_the_content_alone():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
