"""What a release lists instead of carrying it."""

from pathlib import Path

import pytest

from custom.engines.large_files import bundle_that_lists, listed_files
from custom.errors import InputError

ENTRY = "large_files:\n- {path: models/model.pt, url: https://host/model.pt, hash_val: 00, hash_type: sha256}\n"


def test_the_bundle_is_the_folder_whose_list_has_the_file(tmp_path, monkeypatch):
    (tmp_path / "large_files.yml").write_text(ENTRY)
    assert listed_files(tmp_path)[0]["url"] == "https://host/model.pt"
    assert bundle_that_lists(tmp_path / "models" / "model.pt") == tmp_path
    assert bundle_that_lists(tmp_path / "models" / "hippocampus" / "model.pt") is None, "nobody offers that one"
    assert listed_files(tmp_path / "models") == []
    monkeypatch.chdir(tmp_path)
    assert bundle_that_lists(Path("./models/model.pt")) == Path(), "as a command in the bundle's folder has it"


@pytest.mark.parametrize("content", ["", "large_files", "large_files: 3", "large_files: [{path: a}]", "[", "\0"])
def test_other_lists_are_refused_in_one_line(tmp_path, content):
    (tmp_path / "large_files.yml").write_text(content)
    with pytest.raises(InputError, match=r"large_files\.yml is no list .*: unpack the release again"):
        listed_files(tmp_path)
