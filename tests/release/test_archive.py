"""Zip archives, byte for byte."""

import os
import time
import zipfile

from custom.release.archive import write_archive

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
