"""Options with several values."""

import pytest

from custom.option_list import option_list


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("hippocampus", ["hippocampus"]),
        ("one, two ,,three.yaml", ["one", "two", "three.yaml"]),
        (("one", 2024), ["one", "2024"]),  # as fire reads one,2024
        (["one,two", "three"], ["one", "two", "three"]),
        (2024, ["2024"]),
        ("", []),
        ((), []),
        (None, []),
    ],
)
def test_values_come_apart_however_they_are_given(given, values):
    assert option_list(given) == values
