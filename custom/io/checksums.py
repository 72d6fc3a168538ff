"""SHA-256 of many files, each read again only after it changed."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..progress import map_with_progress
from .file_state import FileStateCache, file_states

MISSING = "missing"
CACHE_VERSION = 1
CHUNK_BYTES = 1 << 20
SAVED_EVERY = 200  # files, so that a kill costs little
ELSEWHERE = "keep it in another folder"


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


def file_checksums(files: Sequence[str | Path], cache_file: str | Path | None = None) -> dict[str, str]:
    """File, as it was given -> its SHA-256, or "missing"; read in threads under a progress bar.

    Args:
        files: may be missing or named twice.
        cache_file: a `FileStateCache` of checksums, saved on the way too.

    Raises InputError: a file that is there cannot be read, or `cache_file` cannot be written.
    """
    cache = FileStateCache(cache_file, CACHE_VERSION, decode=str, encode=str)
    states = {str(file): file_states([file]) for file in files}
    result = {name: cache.get(state) or MISSING for name, state in states.items()}
    todo = [name for name in states if result[name] == MISSING]
    read = map_with_progress(_checksum, todo, "checksums", "file")
    for number, (name, checksum) in enumerate(zip(todo, read, strict=True), start=1):
        result[name] = checksum
        if checksum != MISSING:
            cache.put(states[name], checksum)
        if number == len(todo) or number % SAVED_EVERY == 0:
            cache.save(ELSEWHERE)
    return result


def _checksum(file: str) -> str:
    try:
        return sha256(file)
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); restore it or its permissions") from error
