"""One chain in a work folder at a time."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import InputError

LOCK, HOLDER = "lock", "lock.json"  # two files: on Windows no other process can read the locked one


@contextmanager
def run_lock(folder: str | Path) -> Iterator[None]:
    """Hold `folder`/lock while the block runs; the system releases it however the process ends, kill -9 included.

    Forked data-loading processes, which may outlive a killed run by seconds, let go of it (filelock sees to that).

    Raises:
        InputError: another run holds it (its process, machine and start are named), or the folder cannot be written.
    """
    path = Path(folder)
    lock = FileLock(path / LOCK)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
        since = datetime.now().isoformat(" ", "seconds")
        holder = {"process": os.getpid(), "machine": socket.gethostname(), "since": since}
        (path / HOLDER).write_text(json.dumps(holder), encoding="utf-8")
    except Timeout as error:
        what = f"{folder} is in use by another run ({_holder(path)})"
        raise InputError(f"{what}: wait for it, end it, or pass another --work_dir") from error
    except OSError as error:
        lock.release()
        what = f"{folder} cannot be written ({error.strerror})"
        raise InputError(f"{what}: free space or pass another --work_dir") from error
    try:
        yield
    finally:
        lock.release()


def is_in_use(folder: str | Path) -> bool:
    """Whether a run holds `folder`/lock; nothing is written. Unknown, and so true, where the folder is read-only."""
    if not (Path(folder) / LOCK).exists():
        return False
    try:
        with FileLock(Path(folder) / LOCK).acquire(blocking=False):
            return False
    except OSError:  # filelock's Timeout, too
        return True


def _holder(folder: Path) -> str:
    try:
        holder = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f"process {holder['process']} on {holder['machine']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
