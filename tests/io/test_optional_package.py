"""A package that is not installed is missed in one line."""

import pytest

from custom.errors import InputError
from custom.io.optional_package import needed_package


def test_installed():
    assert needed_package("json.decoder", "json", "it").JSONDecoder


def test_missing():
    with pytest.raises(InputError, match=r"^a\.mha: this format needs the package No-Such: pip install No-Such$"):
        needed_package("no_such_module", "No-Such", "a.mha: this format")
