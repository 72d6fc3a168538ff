"""Switches and lists as the command line passes them."""

import pytest

from custom.errors import InputError
from custom.options import is_on, option_list, switches


@pytest.mark.parametrize("value", [True, "true", "True", "yes", "on", 1, "1"])
def test_on(value):
    assert is_on(value)


@pytest.mark.parametrize("value", [False, "false", "FALSE", "no", "off", 0, "0"])
def test_off(value):
    assert not is_on(value)


def test_neither():
    with pytest.raises(InputError, match="'maybe' is neither true nor false"):
        is_on("maybe")


def test_the_switches_of_a_config_become_true_and_false():
    found = switches(amp="false", resume=True, tensorboard="1")
    assert (found.amp, found.resume, found.tensorboard) == (False, True, True)


def test_the_switch_that_is_neither_is_named():
    with pytest.raises(InputError, match="--resume maybe: pass true or false"):
        switches(amp=True, resume="maybe")


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
