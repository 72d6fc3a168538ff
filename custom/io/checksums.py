"""SHA-256 of many files, each read again only after it changed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import InputError
from .atomic_write import write_json

logger = logging.getLogger(__name__)

MISSING = "missing"
CACHE_VERSION = 1
CHUNK_BYTES = 1 << 20
SAVED_EVERY = 200  # files, so that a kill costs little


def sha256(file: str | Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits, read in chunks.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with Path(file).open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def file_checksums(
    files: Sequence[str | Path],
    cache_file: str | Path | None = None,
    num_workers: int | None = None,
    description: str = "check sums",
) -> dict[str, str]:
    """File, as it was given -> its SHA-256, or "missing"; read in threads under a progress bar.

    Check sums are remembered in `cache_file` (JSON) by path, size and time of change, and a file is not read again
    until one of these changes; a cache that cannot be understood is ignored and replaced.

    Raises:
        InputError: a file that is there cannot be read, or `cache_file` cannot be written.
    """
    names = list(dict.fromkeys(str(file) for file in files))
    states = {name: _file_state(name) for name in names}
    known = _read_cache(cache_file)
    result = {name: known.get(state, "") if state else MISSING for name, state in states.items()}
    todo = {name: state for name, state in states.items() if state and not result[name]}
    hidden = not todo or os.environ.get("RANK", "0") != "0"
    with ThreadPoolExecutor(num_workers or min(4, os.cpu_count() or 1)) as pool:
        read = tqdm(pool.map(_checksum, todo), total=len(todo), desc=description, unit="file", disable=hidden)
        for number, ((name, state), checksum) in enumerate(zip(todo.items(), read, strict=True), start=1):
            result[name] = checksum
            if checksum != MISSING:
                known[state] = checksum
            if cache_file is not None and (number == len(todo) or number % SAVED_EVERY == 0):
                _write_cache(cache_file, known)
    return result


def _checksum(file: str) -> str:
    try:
        return sha256(file)
    except FileNotFoundError:  # removed since it was listed
        return MISSING
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); restore it or its permissions") from error


def _file_state(file: str) -> tuple[str, int, int] | None:
    """Absolute path, size and time of change; None of a file that is not there."""
    path = Path(file).absolute()
    try:
        state = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); restore it or its permissions") from error
    return str(path), state.st_size, state.st_mtime_ns


def _read_cache(cache_file: str | Path | None) -> dict[tuple[str, int, int], str]:
    """State of a file -> check sum; empty where the cache is absent, damaged or something else."""
    if cache_file is None or not Path(cache_file).is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(Path(cache_file).read_text(encoding="utf-8"))
        if content["version"] != CACHE_VERSION:
            return {}
        return {(path, size, time): str(checksum) for path, (size, time, checksum) in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        logger.info("%s is no cache of check sums and is made anew", cache_file)
        return {}


def _write_cache(cache_file: str | Path, known: dict[tuple[str, int, int], str]) -> None:
    """One entry per file: its latest state replaces older ones."""
    entries = {path: [size, time, checksum] for (path, size, time), checksum in known.items()}
    try:
        write_json(cache_file, {"version": CACHE_VERSION, "files": dict(sorted(entries.items()))})
    except OSError as error:
        raise InputError(
            f"{cache_file} cannot be written ({error.strerror}); keep it in a folder that can be written"
        ) from error
