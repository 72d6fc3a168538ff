"""Results of reading files, kept until a file changes: by path, size and time of change."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from .atomic_write import write_json
from .write_errors import reporting_unwritable

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
FileState = tuple[str, int, int]


def file_state(file: str | Path) -> FileState:
    """Absolute path, size in bytes and time of change in ns.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    path = Path(file).absolute()
    state = path.stat()
    return str(path), state.st_size, state.st_mtime_ns


def file_states(files: Sequence[str | Path]) -> tuple[FileState, ...] | None:
    """The states of the files that a result follows from; None where one has no state, so nothing can be kept."""
    try:
        return tuple(file_state(file) for file in files)
    except OSError:
        return None


class FileStateCache(Generic[Result]):
    """Results by the states of their files, in a JSON file; the latest state of a file replaces earlier ones.

    A file of another version, a damaged one, or one changed by hand, is ignored and replaced. Processes that write the
    same results at once write equal files.

    Args:
        file: the JSON file; None keeps the results in memory only.
        version: of what is computed: results of another version are computed again.
        decode: from what JSON gives back to a result.
        encode: from a result to what JSON can hold.
    """

    def __init__(
        self,
        file: str | Path | None,
        version: int,
        decode: Callable[[Any], Result],
        encode: Callable[[Result], Any],
    ) -> None:
        self.file = None if file is None else Path(file)
        self.version = version
        self.encode = encode
        self.results: dict[tuple[str, ...], tuple[tuple[FileState, ...], Result]] = {}
        if self.file is None or not self.file.is_file():
            return
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
            if content["version"] == version and content["checksum"] == _checksum(content["entries"]):
                for entry in content["entries"]:
                    self.put(tuple((path, size, time) for path, size, time in entry["files"]), decode(entry["result"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            logger.info("%s holds no results of files and is replaced", file)
            self.results.clear()

    def get(self, states: tuple[FileState, ...] | None) -> Result | None:
        """The result of files in these states, None where it is not known."""
        if states is None:
            return None
        kept, result = self.results.get(_paths(states), ((), None))
        return result if kept == states else None

    def put(self, states: tuple[FileState, ...] | None, result: Result) -> None:
        """Keep a result of files that had these states before they were read."""
        if states is not None:
            self.results[_paths(states)] = (states, result)

    def save(self, elsewhere: str) -> None:
        """Write the file, atomically.

        Raises InputError: it cannot be written; `elsewhere` says which option names another place.
        """
        if self.file is None:
            return
        entries = [
            {"files": states, "result": self.encode(result)} for _, (states, result) in sorted(self.results.items())
        ]
        with reporting_unwritable(self.file, elsewhere):
            write_json(self.file, {"version": self.version, "checksum": _checksum(entries), "entries": entries})


def _checksum(entries: Any) -> str:
    """Of what is written, so that nothing damaged is taken for a result."""
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def _paths(states: tuple[FileState, ...]) -> tuple[str, ...]:
    return tuple(path for path, _, _ in states)
