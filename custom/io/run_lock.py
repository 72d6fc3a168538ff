"""One run in a folder at a time."""

import errno
import json
import logging
import os
import socket
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import InputError

logger = logging.getLogger(__name__)

LOCK, HOLDER = "lock", "lock.json"  # two files: on Windows no other process can read the locked one
HIDDEN = "."  # before their names in a folder whose files are the user's
WORK_DIR = "--work_dir"
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP)  # such as of NFS without a lock service
LOOK_SECONDS = 0.3  # longer than `is_in_use` of another process holds a lock

_held: dict[tuple[int, Path], FileLock] = {}  # by process and folder, for as long as it trains


@contextmanager
def run_lock(folder: str | Path, prefix: str = "") -> Iterator[None]:
    """Hold `folder`/lock while the block runs; the system releases it however the process ends, kill -9 included.

    Forked data-loading processes, which may outlive a killed run by seconds, let go of it (filelock sees to that).
    Raises InputError: another run holds it (its process, machine and start are named), or the folder cannot be written.
    """
    lock = _acquired(Path(folder), prefix, WORK_DIR)
    try:
        yield
    finally:
        lock.release()


def hold(folder: str | Path, option: str, owner: object = None) -> None:
    """Hold a folder until `let_go` or the end of this process, which may hold it already.

    Args:
        folder: the folder.
        option: that names another folder, for the message.
        owner: the folder is held no longer than this object lives, such as a run that fails.

    Raises InputError: as of `run_lock`.
    """
    key = os.getpid(), Path(folder).absolute()
    if key not in _held:
        _held[key] = _acquired(key[1], HIDDEN, option)
    elif _held[key].is_locked:
        _held[key].acquire()  # filelock counts
    if owner is not None:
        weakref.finalize(owner, _release, key).atexit = False


def let_go() -> None:
    """End `hold` of all folders."""
    while _held:
        _held.popitem()[1].release(force=True)


def _release(key: tuple[int, Path]) -> None:
    """One owner less, in the process that holds the folder."""
    lock = _held.get(key)
    if lock is None or key[0] != os.getpid():
        return
    lock.release()
    if not lock.is_locked:
        del _held[key]


@contextmanager
def one_at_a_time(file: Path) -> Iterator[None]:
    """Wait for other processes that do the same with this lock file, where the file system knows locks."""
    lock = FileLock(file)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        yield
    finally:
        lock.release()


def is_in_use(folder: str | Path, prefix: str = "") -> bool:
    """Whether a run holds `folder`/lock; nothing is written. Unknown, and so true, where the folder is read-only.

    False where the file system knows no locks, with which runs go on all the same.
    """
    file = Path(folder) / f"{prefix}{LOCK}"
    if not file.exists():
        return False
    try:
        with FileLock(file).acquire(blocking=False):
            return False
    except OSError as error:  # filelock's Timeout, too
        return error.errno not in NO_LOCKS


def _acquired(folder: Path, prefix: str, option: str) -> FileLock:
    """The lock, held. Raises InputError: as of `run_lock`."""
    lock = FileLock(folder / f"{prefix}{LOCK}")
    holder_file = folder / f"{prefix}{HOLDER}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=LOOK_SECONDS, poll_interval=LOOK_SECONDS / 5)
        since = datetime.now().isoformat(" ", "seconds")
        holder = {"process": os.getpid(), "machine": socket.gethostname(), "since": since}
        holder_file.write_text(json.dumps(holder), encoding="utf-8")
    except Timeout as error:
        what = f"{folder} is in use by another run ({_holder(holder_file)})"
        raise InputError(f"{what}: wait for it, end it, or pass another {option}") from error
    except OSError as error:
        lock.release()
        if error.errno in NO_LOCKS:
            logger.warning("%s: its file system knows no locks, so nothing keeps a second run out", folder)
            return lock
        what = f"{folder} cannot be written ({error.strerror})"
        raise InputError(f"{what}: free space or pass another {option}") from error
    return lock


def _holder(file: Path) -> str:
    try:
        holder = json.loads(file.read_text(encoding="utf-8"))
        return f"process {holder['process']} on {holder['machine']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
