"""One run in a work folder at a time."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ..errors import InputError

_held: set[int] = set()


@contextmanager
def run_lock(folder: str | Path) -> Iterator[None]:
    """Hold `folder`/lock while the block runs; the system releases it however the process ends, kill -9 included.

    Raises:
        InputError: another run holds it (its process, machine and start are named), or the folder cannot be written.
    """
    path = Path(folder) / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): pass another --work_dir") from error
    _held.add(handle)
    try:
        _lock(handle, path)
        yield
    finally:
        if handle in _held:  # a forked process has let go of it
            _held.remove(handle)
            os.close(handle)


def is_in_use(folder: str | Path) -> bool:
    """Whether a run holds `folder`/lock; nothing is written."""
    try:
        handle = os.open(Path(folder) / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _lock(handle: int, path: Path) -> None:
    folder = path.parent
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        raise InputError(
            f"{folder} is in use by another run ({_holder(path)}): wait for it, end it, or pass another --work_dir"
        ) from error
    except OSError as error:
        raise InputError(
            f"{folder}: files cannot be locked there ({error.strerror}): pass a --work_dir on another disk"
        ) from error
    holder = {
        "process": os.getpid(),
        "machine": socket.gethostname(),
        "since": datetime.now().isoformat(" ", "seconds"),
    }
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(holder).encode(), 0)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}): free space or pass another --work_dir"
        ) from error


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['process']} on {holder['machine']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"


def _let_go() -> None:
    """In a forked data-loading process, which may outlive a killed run by seconds and would keep its lock."""
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
