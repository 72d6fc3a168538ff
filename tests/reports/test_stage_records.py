"""Facts of hand-written stage records."""

from __future__ import annotations

import pytest

from custom.reports.stage_records import gains, split_controls

from .stage_chain import scores


def test_a_gain_is_over_the_last_stage_that_has_the_score():
    chain = [
        {"scores": scores(0.5)},
        {"scores": None},
        {"scores": scores(0.6, 0.3)},
        {"scores": {"organs": {"dice": float("nan")}, "tumour": {"dice": 0.2}}},
        {"scores": scores(0.7)},
    ]
    found = gains(chain)
    assert [set(one) for one in found] == [set(), set(), {"organs"}, {"tumour"}, {"organs"}]
    assert found[2]["organs"] == pytest.approx(0.1)
    assert found[3]["tumour"] == pytest.approx(-0.1)
    assert found[4]["organs"] == pytest.approx(0.1)


def test_controls_are_told_from_stages():
    chain = [{"stage": "a"}, {"stage": "b", "control": True}, {"stage": "c", "control": False}]
    stages, controls = split_controls(chain)
    assert [record["stage"] for record in stages] == ["a", "c"]
    assert [record["stage"] for record in controls] == ["b"]
