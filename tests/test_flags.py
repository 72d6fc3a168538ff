"""Switches as the command line passes them."""

import pytest

from custom.errors import InputError
from custom.flags import is_on


@pytest.mark.parametrize("value", [True, "true", "True", "yes", "on", 1, "1"])
def test_on(value):
    assert is_on(value)


@pytest.mark.parametrize("value", [False, "false", "FALSE", "no", "off", 0, "0"])
def test_off(value):
    assert not is_on(value)


def test_neither():
    with pytest.raises(InputError, match="'maybe' is neither true nor false"):
        is_on("maybe")
