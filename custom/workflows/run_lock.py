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


@contextmanager
def run_lock(folder: str | Path) -> Iterator[None]:
    """Hold `folder`/lock while the block runs; the system releases it however the process ends, kill -9 included.

    Raises:
        InputError: another run holds it (its process, machine and start are named), or the folder cannot be written.
    """
    path = Path(folder) / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): pass another --work_dir") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"{folder} is in use by another run ({_holder(path)}): wait for it, end it, or pass another --work_dir"
            ) from error
        holder = {
            "process": os.getpid(),
            "machine": socket.gethostname(),
            "since": datetime.now().isoformat(" ", "seconds"),
        }
        file.seek(0)
        file.truncate()
        file.write(json.dumps(holder))
        file.flush()
        yield


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['process']} on {holder['machine']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"
