"""What was found in each case's files: read in threads, and remembered until one of the files changes."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from tqdm import tqdm

from ..datalist.layouts import image_files
from ..errors import InputError
from ..io.atomic_write import write_text

logger = logging.getLogger(__name__)

Found = TypeVar("Found")


class Format(NamedTuple, Generic[Found]):
    """How findings are kept: `version` of the file, the entry's `key`, to and from plain data; only sound ones are.

    `option` is what a user passes to choose another file.
    """

    version: int
    key: str
    option: str
    to_json: Callable[[Found], Any]
    from_json: Callable[[Any], Found]
    is_sound: Callable[[Found], bool]


def read_cases(
    cases: Sequence[dict[str, Any]],
    read: Callable[[dict[str, Any]], Found],
    form: Format[Found],
    cache_file: str | Path | None = None,
    num_workers: int | None = None,
    description: str = "reading cases",
) -> list[Found]:
    """`read` of every case, in order; of those that `cache_file` (JSON) knows in their present state, from there.

    The state is path, size and time of change of each file. A cache that cannot be understood is ignored and replaced.
    Several processes may share it.

    Raises:
        InputError: `cache_file` cannot be written.
    """
    keys = [_state(case) for case in cases]
    known = _read_cache(cache_file, form)
    todo = [number for number, key in enumerate(keys) if key is None or key not in known]
    found = map_with_progress(read, [cases[number] for number in todo], num_workers, description)
    fresh = dict(zip(todo, found, strict=True))
    sound = {key: one for number, one in fresh.items() if (key := keys[number]) is not None and form.is_sound(one)}
    if cache_file is not None and sound:
        _write_cache(cache_file, known, sound, form)
    return [fresh[number] if number in fresh else known[str(key)] for number, key in enumerate(keys)]


def map_with_progress(
    function: Callable[[dict[str, Any]], Found],
    cases: Sequence[dict[str, Any]],
    num_workers: int | None,
    description: str,
) -> list[Found]:
    """`function` of every case, in order; of several processes of one run only the first shows its progress."""
    if not cases:
        return []
    hidden = os.environ.get("RANK", "0") != "0"
    with ThreadPoolExecutor(num_workers or min(4, os.cpu_count() or 1)) as pool:
        results = pool.map(function, cases)
        return list(tqdm(results, total=len(cases), desc=description, unit="case", disable=hidden))


def _state(case: dict[str, Any]) -> str | None:
    """Path, size and time of change of each file, as JSON; None where a file is missing."""
    files = image_files(case) + ([str(case["label"])] if case.get("label") else [])
    try:
        states = [Path(file).stat() for file in files]
    except OSError:
        return None
    return json.dumps([[file, state.st_size, state.st_mtime_ns] for file, state in zip(files, states, strict=True)])


def _read_cache(cache_file: str | Path | None, form: Format[Found]) -> dict[str, Found]:
    """State of the files -> finding; empty where the cache is absent, damaged or something else."""
    if cache_file is None or not Path(cache_file).is_file():
        return {}
    try:
        content = json.loads(Path(cache_file).read_text(encoding="utf-8"))
        if content["version"] != form.version:
            return {}
        return {json.dumps(entry["files"]): form.from_json(entry[form.key]) for entry in content["cases"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        logger.info("%s holds no %s of cases and is made again", cache_file, form.key)
        return {}


def _write_cache(cache_file: str | Path, known: dict[str, Found], fresh: dict[str, Found], form: Format[Found]) -> None:
    """Both together, a file's older states left out, sorted: processes that do this at once write the same."""
    replaced = {_paths(state) for state in fresh}
    kept = {state: found for state, found in known.items() if _paths(state) not in replaced}
    entries = [{"files": json.loads(state), form.key: form.to_json(found)} for state, found in (kept | fresh).items()]
    content = {"version": form.version, "cases": sorted(entries, key=lambda entry: entry["files"])}
    try:
        write_text(cache_file, json.dumps(content, separators=(",", ":")) + "\n")
    except OSError as error:
        raise InputError(
            f"{cache_file} cannot be written ({error.strerror}); pass {form.option} in a folder that can be written"
        ) from error


def _paths(state: str) -> tuple[str, ...]:
    return tuple(file for file, *_ in json.loads(state))
