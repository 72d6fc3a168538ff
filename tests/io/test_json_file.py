"""JSON files as they are found."""

from __future__ import annotations

import pytest

from custom.errors import InputError
from custom.io.json_file import read_json


def test_json_that_is_absent_or_no_json(tmp_path):
    file = tmp_path / "record.json"
    assert read_json(file, {"state": "not begun"}) == {"state": "not begun"}
    file.write_text("{")
    with pytest.raises(InputError) as error:
        read_json(file, None)
    assert str(error.value).startswith(f"{file}: cannot be read as JSON (Expecting property name")
    assert str(error.value).endswith("; restore or remove it")
    file.write_text("[1]")
    with pytest.raises(InputError, match=r"record.json: holds a list, no dict; restore or remove it$"):
        read_json(file, {})
    file.write_text("\ufeff{}", encoding="utf-8")
    assert read_json(file, {}) == {}
