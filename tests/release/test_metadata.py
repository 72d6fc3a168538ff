"""metadata.json: read, and of a version that can be released."""

import pytest

from custom.errors import InputError
from custom.release.metadata import read_metadata, released_metadata

from ..bundle_copies import change_metadata


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", r"metadata\.json is no JSON"), ("[1]", "holds no JSON object"), ("3", "holds no JSON object")],
)
def test_another_content_is_one_line(tmp_path, content, said):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text(content)
    for read in (read_metadata, released_metadata):
        with pytest.raises(InputError, match=said) as error:
            read(tmp_path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"version": "next"}, r"version is 'next': write it as 0\.1\.0"),
        ({"version": ["0.1.0"]}, r"version is \['0\.1\.0'\]: write it as 0\.1\.0"),
        ({"version": "0.3.0"}, r"the changelog has no entry 0\.3\.0"),
        ({"changelog": None}, "the changelog has no entry"),
    ],
)
def test_versions_that_cannot_be_released(copied, entries, said):
    root = copied("flare_pseudolabel")
    assert released_metadata(root) == read_metadata(root)
    change_metadata(root, **entries)
    assert read_metadata(root).items() >= entries.items()
    with pytest.raises(InputError, match=said):
        released_metadata(root)
