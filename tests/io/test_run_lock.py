"""Who may run in a work folder."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import socket
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from custom.errors import InputError
from custom.io.run_lock import hold, is_in_use, let_go, one_at_a_time, run_lock

PATIENCE = 30  # seconds


def hold_until_killed(folder: Path, with_worker: bool) -> None:
    """Hold the lock until killed, if wanted with a forked process, as a data loader's, that lives on."""
    with run_lock(folder):
        if with_worker:
            worker = os.fork()
            if worker == 0:
                time.sleep(PATIENCE)
                os._exit(0)
            (folder / "worker").write_text(str(worker))
        (folder / "held").touch()
        time.sleep(PATIENCE)


@contextmanager
def another_run(folder: Path, with_worker: bool = False):
    child = multiprocessing.get_context("fork").Process(target=hold_until_killed, args=(folder, with_worker))
    child.start()
    try:
        until = time.monotonic() + PATIENCE
        while not (folder / "held").exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert (folder / "held").exists()
        yield child
    finally:
        child.kill()
        child.join()


def test_a_look_says_whether_a_run_holds_it_and_writes_nothing(tmp_path):
    assert not is_in_use(tmp_path)
    assert not list(tmp_path.iterdir())
    with another_run(tmp_path):
        assert is_in_use(tmp_path)
    assert not is_in_use(tmp_path)
    with run_lock(tmp_path):
        assert is_in_use(tmp_path)


def test_a_second_run_is_refused_and_the_holder_named(tmp_path):
    with another_run(tmp_path) as child, pytest.raises(InputError) as error, run_lock(tmp_path):
        pytest.fail("two runs at once")
    text = str(error.value)
    assert text.startswith(
        f"{tmp_path} is in use by another run (process {child.pid} on {socket.gethostname()} since 2"
    )
    assert text.endswith("): wait for it, end it, or pass another --work_dir")


def test_kill_9_releases_the_lock_at_once(tmp_path):
    with another_run(tmp_path) as child:
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        with run_lock(tmp_path):
            assert json.loads((tmp_path / "lock.json").read_text())["process"] == os.getpid()


def test_a_killed_runs_data_loading_processes_do_not_keep_its_lock(tmp_path):
    with another_run(tmp_path, with_worker=True) as child:
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        worker = int((tmp_path / "worker").read_text())
        try:
            os.kill(worker, 0)  # it lives
            with run_lock(tmp_path):
                pass
        finally:
            os.kill(worker, signal.SIGKILL)


def test_a_data_loading_process_does_not_release_the_lock_of_its_run(tmp_path):
    with run_lock(tmp_path):
        worker = multiprocessing.get_context("fork").Process(target=int)
        worker.start()
        worker.join()
        assert worker.exitcode == 0
        with pytest.raises(InputError, match="is in use by another run"), run_lock(tmp_path):
            pytest.fail("two runs at once")


def test_the_same_process_twice_is_two_runs(tmp_path):
    with run_lock(tmp_path):
        for _ in range(2):  # a refusal releases nothing
            with pytest.raises(InputError, match=f"process {os.getpid()} on"), run_lock(tmp_path):
                pytest.fail("two runs at once")
    with run_lock(tmp_path):
        pass


def test_a_run_that_fails_releases_the_lock(tmp_path):
    with pytest.raises(KeyError), run_lock(tmp_path / "new" / "folder"):
        raise KeyError
    with run_lock(tmp_path / "new" / "folder"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as error, run_lock(tmp_path / "file" / "work"):
        pytest.fail("there is no folder")
    assert (
        str(error.value)
        == f"{tmp_path}/file/work cannot be written (Not a directory): free space or pass another --work_dir"
    )


def test_a_full_disk_leaves_the_lock_free(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(InputError, match=r"cannot be written \(No space left on device\): free space or"):
            run_lock(tmp_path).__enter__()
    with run_lock(tmp_path):
        pass


def test_a_holder_that_has_not_written_its_name_yet(tmp_path):
    with run_lock(tmp_path):
        (tmp_path / "lock.json").write_text("")
        with pytest.raises(InputError, match=r"another run \(unknown\)"), run_lock(tmp_path):
            pytest.fail("two runs at once")


def test_a_folder_is_held_until_it_is_let_go(tmp_path):
    def held_elsewhere():
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return pool.apply(refused, (tmp_path,))

    hold(tmp_path, "--output_dir")
    hold(tmp_path, "--output_dir")  # this process may
    assert not (tmp_path / "lock").exists(), "the user's own folder"
    line = held_elsewhere()
    assert line.startswith(
        f"{tmp_path} is in use by another run (process {os.getpid()} on {socket.gethostname()} since"
    )
    assert line.endswith(": wait for it, end it, or pass another --output_dir")
    let_go()
    assert held_elsewhere() == ""


def refused(folder):
    try:
        hold(folder, "--output_dir")
    except InputError as error:
        return str(error)
    return ""


def test_a_folder_is_held_as_long_as_any_of_its_owners_lives(tmp_path):
    """A training that fails lets go, though another in the same process goes on."""

    class Run:
        pass

    first, second = Run(), Run()
    hold(tmp_path, "--output_dir", first)
    hold(tmp_path, "--output_dir", second)
    del first
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(refused, (tmp_path,)).startswith(f"{tmp_path} is in use by another run")
    del second
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(refused, (tmp_path,)) == ""


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_the_file_system_knows_no_locks_runs_go_on_with_a_warning(tmp_path, monkeypatch, caplog, code):
    """Such as NFS without its lock service."""

    def no_locks(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with run_lock(tmp_path):
        assert not is_in_use(tmp_path)
    assert "its file system knows no locks, so nothing keeps a second run out" in caplog.text
    with one_at_a_time(tmp_path / "other"):
        pass
