"""Prepared cases on disk, of which a training patch reads its own pages only: thousands of cases need no memory."""

import errno
import hashlib
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose
from monai.utils import convert_to_numpy, convert_to_tensor
from torch.utils.data import Dataset

from ..datalist.folder_layouts import case_name, image_files
from ..errors import InputError, causes_of, find_input_error, input_error_message
from ..io.file_state import file_state
from ..io.write_errors import reporting_unwritable, unwritable
from ..processes import rank, world_size
from ..progress import map_with_progress
from ..transforms.label_bytes import label_bytes

logger = logging.getLogger(__name__)

FORMAT_VERSION = 4  # of what is stored, and of how scans are read
TEMPORARY_PREFIX = ".tmp-"
LEFTOVER_SECONDS = 3600  # a folder is temporary while one prepared case is written, which takes seconds
OFFSETS = ".offsets"
NAMES = "names.json"  # of the arrays: without one of them a case would be used as if it had none
CACHE_DIR = "pass another cache folder"
REASON_LENGTH = 300


class DiskCache(Dataset):
    """Cases prepared once, kept as memory-mapped arrays in `folder` and shared by every process and training.

    A case is a folder NAME-KEY of .npy files. KEY follows from the path, size and time of change of the image and
    label, from every other entry of the case and from `settings`, so that nothing stale is used. A case appears whole
    or not at all, whenever a process is killed; of two processes that prepare one, the first wins. Under `torchrun`
    each process begins with its own share and goes on with what others have not done yet: all are done at about the
    same time without waiting for each other, also where nodes do not share the disk. Folders of earlier settings stay;
    any folder may be deleted while nothing runs.

    MONAI's `PersistentDataset` stores pickles, runs whatever they hold and reads a whole volume for every patch.

    Args:
        data: dictionaries of "image" and "label" files; the label may be absent. Other entries are JSON-like.
        prepare: deterministic transforms; arrays and lists of flat arrays they add or change are stored, the "label"
            as uint8.
        folder: of the cache, made where it is missing.
        settings: everything that `prepare` depends on, JSON-like.
        num_workers: threads that prepare cases; as many cases are in memory at once.

    Raises InputError: a case cannot be prepared, a file is missing, the disk is full or cannot be written.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        prepare: Compose,
        folder: str | Path,
        settings: Mapping[str, Any],
        num_workers: int | None = None,
    ) -> None:
        self.data = [dict(case) for case in data]
        self.prepare = prepare
        self.folder = Path(folder).absolute()
        with reporting_unwritable(self.folder, CACHE_DIR):
            self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(f"{TEMPORARY_PREFIX}*"):  # of killed processes
            with suppress(FileNotFoundError):  # finished meanwhile
                if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                    shutil.rmtree(leftover, ignore_errors=True)
        try:  # after JSON tuples and lists are one, and so are 2 and 2.0
            plain = json.loads(json.dumps(dict(settings)), parse_int=float)
        except (TypeError, ValueError) as error:
            raise InputError(f"cache settings must be numbers, words and lists ({error}); name them so") from error
        fixed = {"version": FORMAT_VERSION, "settings": plain}
        self.entries = [self.folder / f"{case_name(case)}-{_key(case, fixed)}" for case in self.data]
        order = _working_order(len(self), rank(), world_size())
        missing = [index for index in order if not self.entries[index].is_dir()]
        for _ in map_with_progress(self._prepare_missing, missing, "preparing cases", num_workers=num_workers):
            pass

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Case `index` with what its preparation gave: tensors (and lists of arrays) on copy-on-write memory maps.

        Nothing is read before it is used, and what is written to a tensor never reaches the disk. A case that is
        missing or damaged is prepared again.
        """
        entry = self.entries[index]
        try:
            stored = _read(entry)
        except (FileNotFoundError, EOFError, ValueError) as error:
            logger.warning("%s: prepared again (%s)", entry, " ".join(f"{type(error).__name__}: {error}".split()))
            if not isinstance(error, FileNotFoundError):
                with (
                    reporting_unwritable(self.folder, CACHE_DIR),
                    _temporary_folder(self.folder) as temporary,
                    suppress(FileNotFoundError),
                ):
                    entry.rename(temporary / entry.name)  # in one step; other processes may have it open
            self._prepare_missing(index)
            stored = _read(entry)
        return {**self.data[index], **stored}

    def _prepare_missing(self, index: int) -> None:
        entry = self.entries[index]
        if entry.is_dir():  # another process was faster
            return
        arrays = self._prepared_arrays(self.data[index])
        try:
            _write(entry, arrays)
        except OSError as error:
            left = sum(not one.is_dir() for one in self.entries)
            needed = left * sum(array.nbytes for array in arrays.values()) / 1e9
            elsewhere = f"{CACHE_DIR}, about {needed:.2g} GB for {left} of {len(self)} cases; stored ones are kept"
            raise unwritable(error, self.folder, elsewhere) from error

    def _prepared_arrays(self, case: dict[str, Any]) -> dict[str, np.ndarray]:
        """File name, without its ending -> array."""
        try:
            prepared = self.prepare(dict(case), threading=True)
            return _arrays(case, prepared)
        except MemoryError:
            raise
        except Exception as error:  # readers and transforms fail in many ways, all of them the case's
            file = image_files(case)[0]
            cause = find_input_error(error)
            if cause is not None:
                raise InputError(f"{file}: cannot be prepared: {input_error_message(cause)}") from error
            innermost = causes_of(error)[-1]
            reason = " ".join(f"{type(innermost).__name__}: {innermost}".split())[:REASON_LENGTH]
            raise InputError(
                f"{file}: cannot be prepared ({reason}); check it and its label, or take the case out"
            ) from error


def _key(case: dict[str, Any], fixed: dict[str, Any]) -> str:
    """Short checksum of everything that a prepared case follows from."""
    files = {"image": image_files(case), "label": [str(case["label"])] if case.get("label") else []}
    try:
        states = {key: [file_state(file) for file in names] for key, names in files.items()}
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be read ({error.strerror}); restore it or take it out of the data list"
        ) from error
    content = {**fixed, "files": states, "other": {key: value for key, value in case.items() if key not in files}}
    return hashlib.sha256(_text(content).encode()).hexdigest()[:16]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _arrays(case: Mapping[str, Any], prepared: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What is stored of a prepared case: arrays by key, lists of flat arrays joined, with the offsets of each."""
    arrays: dict[str, np.ndarray] = {}
    for key, value in prepared.items():
        if isinstance(value, np.ndarray | torch.Tensor):
            arrays[key] = _stored(key, value)
        elif isinstance(value, list) and value and all(isinstance(part, np.ndarray | torch.Tensor) for part in value):
            parts = [convert_to_numpy(part) for part in value]
            arrays[key] = np.concatenate(parts)
            arrays[key + OFFSETS] = np.cumsum([0, *(len(part) for part in parts)])
        elif key not in case or _text(value) != _text(case[key]):
            raise InputError(
                f"the preparation gives {key!r} as {type(value).__name__}, which the cache cannot store; "
                "make it a tensor, or compute it after the first random transform"
            )
    return arrays


def _stored(key: str, value: np.ndarray | torch.Tensor) -> np.ndarray:
    """A volume in the type it has on disk, in C order: MONAI would copy any other whole for every patch."""
    tensor = convert_to_tensor(value, track_meta=False).detach().cpu()
    if key == "label":
        tensor = label_bytes(tensor)
    elif key == "image" and tensor.is_floating_point():
        half = tensor.half()
        fits = torch.equal(half.isfinite(), tensor.isfinite())  # float16 ends at 65504
        tensor = half if fits else tensor.float()
    return np.ascontiguousarray(tensor.numpy()).reshape(tensor.shape)


def _read(entry: Path) -> dict[str, Any]:
    """What is stored of a case; nothing but headers is read here.

    Raises:
        FileNotFoundError: absent.
        EOFError, ValueError: damaged.
    """
    if not entry.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(entry))
    files = {file.stem: np.load(file, mmap_mode="c", allow_pickle=False) for file in entry.glob("*.npy")}
    names = entry / NAMES
    if not files or not names.is_file() or sorted(files) != json.loads(names.read_text(encoding="utf-8")):
        raise ValueError("some of its arrays are gone")
    case: dict[str, Any] = {}
    for name, array in files.items():
        if name.endswith(OFFSETS):
            continue
        offsets = files.get(name + OFFSETS)
        case[name] = torch.from_numpy(array) if offsets is None else np.split(array, offsets[1:-1])
    return case


def _write(entry: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Store a case in one step: written next to its place, then renamed; a case that is already there stays."""
    with _temporary_folder(entry.parent) as temporary:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
        (temporary / NAMES).write_text(json.dumps(sorted(arrays)), encoding="utf-8")
        try:
            temporary.rename(entry)
        except OSError:
            if not entry.is_dir():
                raise


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """A new folder; what is left of it in the end is removed."""
    temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    temporary.mkdir()  # who may read it is as the umask says, unlike with tempfile: it becomes the case's folder
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _working_order(count: int, rank: int, world: int) -> list[int]:
    """Every case: a process's own share, then the shares of the next processes from their ends."""
    order = list(range(rank, count, world))
    for step in range(1, world):
        order += reversed(range((rank + step) % world, count, world))
    return order
