"""Checksums: the standard's own values, and what is read again."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from custom.errors import InputError
from custom.io import checksums
from custom.io.checksums import file_checksums, sha256

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, "abc"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    (tmp_path / "empty").write_bytes(b"")
    return [tmp_path / "abc", tmp_path / "empty"]


@pytest.fixture
def read(monkeypatch):
    """Names of the files that are read."""
    names = []

    def counted(file):
        names.append(Path(file).name)
        return sha256(file)

    monkeypatch.setattr(checksums, "sha256", counted)
    return names


def test_known_values(files):
    assert [sha256(file) for file in files] == [ABC, EMPTY]
    assert file_checksums(files) == {str(files[0]): ABC, str(files[1]): EMPTY}


def test_chunks_make_no_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(checksums, "CHUNK_BYTES", 7)
    (tmp_path / "file").write_bytes(bytes(range(256)))
    assert sha256(tmp_path / "file") == hashlib.sha256(bytes(range(256))).hexdigest()


def test_a_file_named_twice_is_read_once(files, read):
    file_checksums([files[0], str(files[0])])
    assert read == ["abc"]


def test_missing_file(tmp_path, files):
    found = file_checksums([*files, tmp_path / "gone", files[0] / "below a file"], tmp_path / "cache.json")
    assert found[str(tmp_path / "gone")] == found[str(files[0] / "below a file")] == "missing"
    assert "gone" not in (tmp_path / "cache.json").read_text()


def test_a_second_call_reads_nothing(tmp_path, files, read, capsys):
    first = file_checksums(files, tmp_path / "cache.json")
    assert "checksums: 100%" in capsys.readouterr().err
    read.clear()
    assert file_checksums(files, tmp_path / "cache.json") == first
    assert read == []
    assert capsys.readouterr().err == ""


def test_changed_files_are_read_again(tmp_path, files, read):
    cache = tmp_path / "cache.json"
    file_checksums(files, cache)
    read.clear()
    files[1].write_bytes(b"abc")
    assert file_checksums(files, cache)[str(files[1])] == ABC
    assert read == ["empty"]
    read.clear()
    state = files[0].stat()
    files[0].write_bytes(b"abd")  # of the same size
    os.utime(files[0], ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert file_checksums(files, cache)[str(files[0])] != ABC
    assert read == ["abc"]
    assert len(json.loads(cache.read_text())["entries"]) == 2


def test_other_files_stay_in_the_cache(tmp_path, files, read):
    cache = tmp_path / "cache.json"
    for file in (*files, *files):
        file_checksums([file], cache)
    assert read == ["abc", "empty"]


def test_paths_are_remembered_absolute(tmp_path, files, read, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file_checksums(["abc"], "cache.json")
    assert file_checksums([files[0]], "cache.json") == {str(files[0]): ABC}
    assert read == ["abc"]


@pytest.mark.parametrize("content", ["", "[]", '{"version": 0}', '{"version": 1, "entries": [{"files": 3}]}', "\x00"])
def test_a_cache_of_something_else_is_replaced(tmp_path, files, read, content):
    cache = tmp_path / "cache.json"
    cache.write_text(content)
    for _ in range(2):
        assert file_checksums(files[:1], cache) == {str(files[0]): ABC}
    assert read == ["abc"]


def test_what_was_read_before_an_error_is_kept(tmp_path, monkeypatch):
    files = [tmp_path / str(number) for number in range(6)]
    for file in files:
        file.write_bytes(b"abc")
    monkeypatch.setattr(checksums, "SAVED_EVERY", 2)

    def failing(file):
        if file.endswith("5"):
            raise PermissionError(13, "Permission denied")
        return ABC

    monkeypatch.setattr(checksums, "sha256", failing)
    with pytest.raises(InputError, match=r"5: cannot be read \(Permission denied\); restore it or its permissions"):
        file_checksums(files, tmp_path / "cache.json")
    assert len(json.loads((tmp_path / "cache.json").read_text())["entries"]) == 4


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        file_checksums([tmp_path])


def test_cache_that_cannot_be_written(tmp_path, files):
    with pytest.raises(InputError, match=r"cache.json cannot be written \(.+\): keep it in another folder"):
        file_checksums(files, files[0] / "cache.json")


def test_no_files():
    assert file_checksums([]) == {}
