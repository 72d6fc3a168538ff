"""The scans that a run leaves out: why, what becomes of their results, and how the run ends."""

import errno
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, ScansLeftOutError, causes_of, find_input_error, input_error_message
from ..io.atomic_write import write_json
from ..io.write_errors import reporting_unwritable
from ..processes import gathered, is_first
from ..system_trouble import SystemTrouble, system_trouble
from .folder_layouts import case_name, image_files
from .output_names import OUTPUT_NAME, is_there, map_files, renamed, scan_name

logger = logging.getLogger(__name__)

NAMES_SHOWN = 10
LONGEST_REASON = 1000  # letters
OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "not enough memory", "Unable to allocate")
DEVICE_FAULTS = ("CUDA error", "CUDNN_STATUS", "cuDNN error", "NCCL error")  # after which a device computes no more
NO_PERMISSION = (errno.EACCES, errno.EPERM)


class LeftOut:
    """What became of every scan of a run, by the path of its image: done, or left out with the reason.

    A scan that is left out is logged in one line and kept in `file`, which is there as long as the last run left out
    some. Nothing that looks like its label map remains: with `overwrite` neither one of an earlier run.

    Args:
        file: JSON next to the results; "": none.
        verb: what happens to the others, in messages.
        output_dir: where label maps are written; "": there are none.
        overwrite: whether this run replaces label maps; else those that were there before it are kept.
    """

    def __init__(
        self, file: str | Path = "", verb: str = "labelled", output_dir: str | Path = "", overwrite: bool = True
    ) -> None:
        self.file = Path(file) if file else None
        self.verb = verb
        self.output_dir = Path(output_dir) if output_dir else None
        self.overwrite = overwrite
        self._names: dict[str, str] = {}
        self._outcomes: dict[str, str] = {}  # image -> reason, "" of what is done
        self._kept: dict[str, set[Path]] = {}  # image -> maps from before this run
        self._label_maps: set[str] = set()

    @property
    def reasons(self) -> dict[str, str]:
        """Image -> why it is left out."""
        return {image: reason for image, reason in self._outcomes.items() if reason}

    @property
    def any_done(self) -> bool:
        """Whether some scan is done."""
        return not all(self._outcomes.values())

    def expect(self, case: Mapping[str, Any]) -> None:
        """Note which maps of a scan are there before it is worked on."""
        self._label_maps.add(case[OUTPUT_NAME])
        self._kept[_image(case)] = {file for file in self._maps(case) if is_there(file)}

    def done(self, case: Mapping[str, Any]) -> None:
        """A scan is done."""
        self._note(case, "")

    def add(self, case: Mapping[str, Any], reason: str, by_all: bool = False) -> None:
        """A scan is left out. `reason`: one line that names its file; `by_all`: all processes say so, one logs it."""
        if is_first() or not by_all:
            logger.warning("left out: %s", reason)
        self._note(case, reason)
        kept = set() if self.overwrite else self._kept.get(_image(case), set())
        for file in self._maps(case):
            if file not in kept and is_there(file):
                file.unlink(missing_ok=True)
        self.write()

    def gather(self) -> None:
        """Take over what the other processes that work on the same list did."""
        self._names, self._outcomes = gathered(self._names), gathered(self._outcomes)
        self.write()

    def write(self) -> None:
        """Keep the reasons, or remove those of an earlier run."""
        if self.file is None or not is_first():
            return
        if not self.reasons:
            self.file.unlink(missing_ok=True)
            return
        counts = {self.verb: len(self._outcomes) - len(self.reasons), "of": len(self._outcomes)}
        with reporting_unwritable(self.file):
            write_json(self.file, {**counts, "left_out": self.reasons})

    def close(self) -> None:
        """End the run, on rank 0: say where the label maps are. Raises ScansLeftOutError: some scans were left out."""
        if self.reasons and is_first():
            raise self.ending()
        if self.output_dir is not None and is_first():
            logger.info("%d of %d %s: %s", len(self._outcomes), len(self._outcomes), self.verb, self.output_dir)

    def ending(self) -> ScansLeftOutError:
        """What ends a run that left out scans."""
        names = [self._names[image] for image in self.reasons]
        return ScansLeftOutError(closing_line(len(self._outcomes), names, self.verb, self.file))

    def _note(self, case: Mapping[str, Any], reason: str) -> None:
        self._names[_image(case)] = scan_name(case.get(OUTPUT_NAME) or case_name(dict(case)))
        self._outcomes[_image(case)] = reason

    def _maps(self, case: Mapping[str, Any]) -> list[Path]:
        """What looks like a label map of a scan, but not another scan's: one may be called CASE_confidence."""
        if self.output_dir is None or OUTPUT_NAME not in case:
            return []
        label_map, *others = map_files(_image(case), case[OUTPUT_NAME])
        others += [renamed(label_map, ending=ending) for ending in (".json", ".png")]  # record and picture
        return [self.output_dir / name for name in (label_map, *others) if name not in self._label_maps - {label_map}]


def closing_line(total: int, names: Sequence[str], verb: str, file: Path | None = None) -> str:
    """How a run ends that left scans out.

    >>> closing_line(30, ["a", "b", "c"], "labelled")
    '27 of 30 labelled, 3 left out: a, b, c'
    """
    shown = ", ".join(names[:NAMES_SHOWN])
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    where = f"; reasons in {file}" if file else ""
    return f"{total - len(names)} of {total} {verb}, {len(names)} left out: {shown}{more}{where}"


def reason_of(error: Exception, case: Mapping[str, Any]) -> str:
    """Why a scan is left out, in one line that names its file.

    Raises InputError: it is not the scan: the disk, the limits of the system or the device fail every scan after it.
    """
    files = [*image_files(dict(case)), *([str(case["label"])] if case.get("label") else [])]
    causes = causes_of(error)
    for problem in filter(None, (system_trouble(cause, "pass another --output_dir") for cause in causes)):
        if not _is_of_scan(problem, files, causes):
            raise _as_input_error(error, problem.line()) from error
    texts = [str(cause) for cause in causes]
    if not _ran_out_of_memory(causes) and any(fault in text for fault in DEVICE_FAULTS for text in texts):
        raise _as_input_error(error, f"the device fails ({_line(texts[0])}): run again, on the CPU if it stays so")
    known = find_input_error(error)
    last = causes[-1]
    reason = input_error_message(known) if known is not None else f"{type(last).__name__}: {last}"
    if _ran_out_of_memory(causes):
        reason = f"needs more memory than there is ({reason})"
    reason = _line(reason)
    return reason if any(file in reason for file in files) else f"{files[0]}: {reason}"


def _ran_out_of_memory(causes: Sequence[BaseException]) -> bool:
    return any(isinstance(cause, MemoryError) or any(o in str(cause) for o in OUT_OF_MEMORY) for cause in causes)


def _is_of_scan(problem: SystemTrouble, files: Sequence[str], causes: Sequence[BaseException]) -> bool:
    """Whether the next scan may do without the problem: too long a name, or a scan that must not be read."""
    named = any(file in f"{problem.file} {cause}" for file in files for cause in causes)
    return problem.number == errno.ENAMETOOLONG or (problem.number in NO_PERMISSION and named)


def _as_input_error(error: Exception, otherwise: str) -> InputError:
    """The line for a user that an exception carries, else another."""
    known = find_input_error(error)
    return InputError(otherwise if known is None else input_error_message(known))


def _line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_REASON]


def _image(case: Mapping[str, Any]) -> str:
    return image_files(dict(case))[0]
