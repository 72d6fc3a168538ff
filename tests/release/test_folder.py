"""Folders appear whole or not at all."""

import pytest

from custom.release.folder import write_folder

FILES = {"a.txt": b"a", "sub/b.bin": bytes(range(256))}


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_what_is_read_is_what_was_written(tmp_path):
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
