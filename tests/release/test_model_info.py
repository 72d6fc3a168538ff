"""model_info.json, read."""

import pytest

from custom.errors import InputError
from custom.release.model_info import read_model_info


def test_entries(tmp_path):
    file = tmp_path / "model_info.json"
    file.write_text('{"a_v0.1.0": {"checksum": "x", "source": "y"}}')
    assert read_model_info(file) == {"a_v0.1.0": {"checksum": "x", "source": "y"}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "is no list of NAME_vVERSION"),
        ('{"a_v0.1.0": "x"}', "is no list of NAME_vVERSION"),
    ],
)
def test_another_content(tmp_path, content, said):
    file = tmp_path / "model_info.json"
    file.write_text(content)
    with pytest.raises(InputError, match=said) as error:
        read_model_info(file)
    assert "\n" not in str(error.value)
