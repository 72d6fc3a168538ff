"""Zip archives, byte for byte."""

import os
import time
import zipfile

import pytest

from custom.release.archive import write_archive, write_folder

CONTENTS = {"top/b.txt": b"second", "top/a/z.bin": bytes(range(256)), "top/c.txt": b""}


def test_equal_contents_give_equal_bytes_whenever_and_in_whatever_order(tmp_path, monkeypatch):
    write_archive(tmp_path / "one.zip", CONTENTS)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    before = os.umask(0o077)
    try:
        write_archive(tmp_path / "two.zip", dict(reversed(CONTENTS.items())))
    finally:
        os.umask(before)
        monkeypatch.undo()
        time.tzset()
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_what_is_read_is_what_was_written(tmp_path):
    write_archive(tmp_path / "one.zip", CONTENTS)
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(CONTENTS)
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS
    assert list(tmp_path.iterdir()) == [tmp_path / "one.zip"], "nothing temporary is left"


FILES = {"a.txt": b"a", "sub/b.bin": bytes(range(256))}


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_folder_holds_what_was_written(tmp_path):
    write_folder(tmp_path / "new", FILES)
    assert contents(tmp_path / "new") == FILES
    assert list(tmp_path.iterdir()) == [tmp_path / "new"], "nothing temporary is left"
    others = tmp_path / "others"
    others.mkdir()
    assert (tmp_path / "new").stat().st_mode == others.stat().st_mode, "others may read it"


def test_an_earlier_folder_goes_only_when_asked_and_then_whole(tmp_path):
    write_folder(tmp_path / "new", {"old.txt": b"old"})
    with pytest.raises(OSError, match="not empty"):
        write_folder(tmp_path / "new", FILES)
    assert contents(tmp_path / "new") == {"old.txt": b"old"}
    write_folder(tmp_path / "new", FILES, replace=True)
    assert contents(tmp_path / "new") == FILES
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]


def test_a_failure_leaves_everything_as_it_was(tmp_path):
    write_folder(tmp_path / "new", FILES)
    with pytest.raises(OSError):
        write_folder(tmp_path / "new", {"a": b"", "a/b": b"below a file"}, replace=True)
    assert contents(tmp_path / "new") == FILES
    assert list(tmp_path.iterdir()) == [tmp_path / "new"]
