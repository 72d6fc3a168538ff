"""Numbers of messages, read back."""

import numpy as np
import pytest

from custom.number_text import exact, told_apart


@pytest.mark.parametrize("value", [2.0, -3.0, 0.5, 1.9999999, 1e-9, 3.4e38, float(np.float32(0.1))])
def test_no_other_number_has_the_text(value):
    text = exact(value)
    assert float(text) == value or np.float32(text) == np.float32(value)
    assert exact(np.nextafter(np.float64(value), 9)) != text


def test_whole_numbers_have_no_point():
    assert exact(2.0) == "2"
    assert exact(float(np.float32(1.9999999))) == "1.9999999"


@pytest.mark.parametrize("other", [0.7, 0.70001, 0.7000001, 0.70000000001, np.nextafter(0.7, 1)])
def test_two_values_are_told_apart_however_near(other):
    texts = told_apart(0.7, other, lambda value, digits: f"{value:.{digits}g}")
    assert (texts[0] != texts[1]) == (other != 0.7)
    assert len(texts[0]) <= len(repr(0.7)) + 17
