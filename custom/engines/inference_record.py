"""What an inference knows of each case apart from its label map."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import CommonKeys, ImageMetaKey

from ..datalist.folder_layouts import scan_name
from ..datalist.output_names import output_name
from ..fingerprint.input_check import UNUSUAL
from ..io.atomic_write import write_json


class CaseRecord:
    """Write NAME.json next to each label map an evaluator saves, after it: a case with its record is finished.

    The record holds the scan's path, the label map's name, the windows computed and those of a plain grid, the seconds
    of loading and prediction, the mean confidence of each class that was predicted, that of the whole case at a fitted
    temperature where the inferer has one ("calibrated_confidence", None of an empty label map), how the scan is unlike
    those of the training ("unusual_input", "" where it is not), and what `entries` and `facts` add.

    Args:
        inferer: keeps its `report` of the last case, e.g. `custom.inferers.StreamingSlidingWindowInferer`.
        facts: further entries of every record, e.g. the model's checksum.
        entries: keys of the evaluator's output that become entries of a case's record where they are there.
    """

    def __init__(
        self,
        output_dir: str | Path,
        inferer: Any,
        class_names: Sequence[str],
        facts: Mapping[str, Any] | None = None,
        entries: Sequence[str] = (),
    ) -> None:
        self.output_dir = Path(output_dir)
        self.inferer = inferer
        self.class_names = list(class_names)
        self.facts = dict(facts or {})
        self.entries = list(entries)
        self.started = 0.0

    def attach(self, engine: Engine) -> None:
        """Follow every case of `engine`."""
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def _start(self, _: Engine) -> None:
        self.started = time.perf_counter()

    def __call__(self, engine: Engine) -> None:
        """Write the record of the case just saved."""
        output: Any = engine.state.output
        meta = output[0][CommonKeys.IMAGE].meta
        report = self.inferer.report
        label = output_name(meta)["subject"]
        name = scan_name(label)
        confidence = {self.class_names[number - 1]: round(p, 4) for number, p in report["confidence"].items() if number}
        seconds = round(time.perf_counter() - self.started, 2)
        windows = {key: report[key] for key in ("windows", "windows_all")}
        calibrated = report.get("tempered_confidence", [])  # of one temperature, or None without foreground
        if calibrated is None or calibrated:
            is_empty = not bool((output[0][CommonKeys.PRED][0] > 0).any())  # consensus may have left nothing
            windows["calibrated_confidence"] = None if calibrated is None or is_empty else round(calibrated[0], 4)
        record = {
            "case": name,
            "label": label,
            "image": str(meta[ImageMetaKey.FILENAME_OR_OBJ]),
            **windows,
            "seconds": seconds,
            "confidence": confidence,
            UNUSUAL: meta.get(UNUSUAL, ""),
            **{key: output[0][key] for key in self.entries if key in output[0]},
            **self.facts,
        }
        write_json(self.output_dir / f"{name}.json", record)
