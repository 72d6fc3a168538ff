"""Results of files, kept until a file changes."""

import json
import os

import pytest

from custom.errors import InputError
from custom.io.file_state import FileStateCache, file_state, file_states


@pytest.fixture
def files(tmp_path):
    for name in ("image", "label"):
        (tmp_path / name).write_bytes(name.encode())
    return [tmp_path / "image", tmp_path / "label"]


def cache(tmp_path, version=1):
    return FileStateCache(tmp_path / "cache.json", version, decode=int, encode=str)


def test_a_state_is_absolute_path_size_and_time(files, monkeypatch, tmp_path):
    os.utime(files[0], ns=(7, 9))
    monkeypatch.chdir(tmp_path)
    assert file_state("image") == (str(files[0]), 5, 9)


def test_a_missing_file_has_none(files):
    assert file_states([*files, files[0].with_name("gone")]) is None
    with pytest.raises(FileNotFoundError):
        file_state(files[0].with_name("gone"))


def test_a_result_of_several_files_holds_until_one_changes(tmp_path, files):
    first = cache(tmp_path)
    first.put(file_states(files), 42)
    first.put(file_states(files[:1]), 5)
    first.save("elsewhere")
    assert cache(tmp_path).get(file_states(files)) == 42
    files[1].write_bytes(b"longer")
    again = cache(tmp_path)
    assert again.get(file_states(files)) is None
    assert again.get(file_states(files[:1])) == 5
    again.put(file_states(files), 43)
    again.save("elsewhere")
    assert len(json.loads((tmp_path / "cache.json").read_text())["entries"]) == 2


def test_files_without_a_state_are_never_known(tmp_path):
    one = cache(tmp_path)
    one.put(None, 3)
    assert one.get(None) is None


def test_another_version_and_damaged_entries_count_for_nothing(tmp_path, files):
    one = cache(tmp_path)
    one.put(file_states(files), 42)
    one.save("elsewhere")
    assert cache(tmp_path, version=2).get(file_states(files)) is None
    text = (tmp_path / "cache.json").read_text()
    for damaged in (text.replace('"42"', '"many"'), text.replace('"42"', '"43"'), text[:-9], "[]"):
        (tmp_path / "cache.json").write_text(damaged)
        assert cache(tmp_path).get(file_states(files)) is None


def test_without_a_file_nothing_is_written(tmp_path, files):
    one = FileStateCache(None, 1, decode=int, encode=str)
    one.put(file_states(files), 42)
    one.save("elsewhere")
    assert one.get(file_states(files)) == 42
    assert sorted(tmp_path.iterdir()) == files


def test_a_place_that_cannot_be_written(files):
    one = FileStateCache(files[0] / "cache.json", 1, decode=int, encode=str)
    with pytest.raises(InputError, match=r"image/cache.json cannot be written \(.+\): take another$"):
        one.save("take another")
