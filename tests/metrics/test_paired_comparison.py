"""Paired statistics against hand-worked and exact answers."""

import math

import numpy as np
import pytest

from custom.metrics.paired_comparison import compare_paired, holm


def test_one_method_always_ahead():
    """Of n patients, the exact two-sided p of a difference that always has one sign is 2 / 2^n."""
    reference = np.linspace(0.1, 0.8, 8)
    found = compare_paired(reference + np.arange(1, 9) / 100, reference)
    assert found.patients == 8
    assert found.difference == pytest.approx(0.045)
    assert 0.01 < found.low < 0.045 < found.high < 0.08
    assert found.p_value == pytest.approx(2 / 2**8)


def test_the_other_way_round_is_the_same_with_the_sign_changed():
    random = np.random.default_rng(0)
    a, b = random.uniform(size=(2, 30))
    forth, back = compare_paired(a, b), compare_paired(b, a)
    assert (back.difference, back.p_value) == pytest.approx((-forth.difference, forth.p_value))
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low), abs=0.01)


def test_the_interval_holds_the_truth_about_19_times_in_20():
    random = np.random.default_rng(1)
    inside = 0
    for _ in range(60):
        found = compare_paired(random.normal(0.3, 1, 40), np.zeros(40))
        inside += found.low <= 0.3 <= found.high
    assert 51 <= inside <= 60


def test_equal_methods_and_too_few_patients():
    assert compare_paired([0.5, 0.5, 0.7], [0.5, 0.5, 0.7])[1:] == (0, 0, 0, 1)
    one = compare_paired([0.5], [0.25])
    assert one[:2] == (1, 0.25)
    assert all(map(math.isnan, one[2:]))
    assert math.isnan(compare_paired([], []).difference)


def test_holm_adjusts_step_down():
    """Hand-worked: 0.005 * 4, 0.01 * 3, 0.03 * 2, then no less than the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    adjusted = holm([math.nan, 0.02, 0.03])
    assert math.isnan(adjusted[0])
    assert adjusted[1:] == pytest.approx([0.04, 0.04])
