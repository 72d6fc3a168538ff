"""The label maps of an evaluation's cases as files, and which scan and truth each belongs to."""

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from monai.utils import CommonKeys, ImageMetaKey

from ..io.atomic_write import write_json
from ..io.image_formats import scan_name
from ..io.label_writer import LabelWriter
from ..processes import gathered, is_first, rank, world_size
from ..reports.study_tables import case_means
from ..reports.text_table import read_csv
from .metrics_report import case_file, unique_case_names

ALL, CHOSEN, NONE = "all", "chosen", "none"
INDEX = "predictions.json"


class KeepPredictions:
    """Write the label map of every scored case, on the scan's own grid, and `predictions.json`.

    The index has for each case, under its name in `metrics_per_case.csv`, the paths of "image", "label" and
    "prediction", the last relative to `output_dir`. It goes after `MetricsReport`, whose cases it keeps.

    Args:
        output_dir: of the report; the maps lie in `predictions` there.
        which: "all"; "chosen": those of the best, the median and the worst case by mean Dice; "none".
    """

    def __init__(self, output_dir: str | Path, which: str = ALL) -> None:
        self.output_dir = Path(output_dir)
        self.which = which
        self.cases: list[dict[str, str]] = []  # of this process

    def attach(self, engine: Engine) -> None:
        """Follow every epoch of the evaluator, after its report: attach that first."""
        if self.which != NONE:
            engine.add_event_handler(Events.EPOCH_STARTED, self._start)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._keep)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish)

    def keep_first(self, cases: int) -> None:
        """Forget all cases but the first of this process."""
        del self.cases[cases:]

    def _start(self, _: Engine) -> None:
        self.cases = []

    def _keep(self, engine: Any) -> None:
        for item in engine.state.output:
            label = case_file(item) or f"case{len(self.cases)}"
            name = scan_name(label) + (f"_process{rank()}" if world_size() > 1 else "")
            place = self._free_place(name)
            writer = LabelWriter(output_dtype=np.uint8)
            writer.set_data_array(item[CommonKeys.PRED], channel_dim=0)
            writer.set_metadata(item[CommonKeys.LABEL].meta)
            (self.output_dir / place).parent.mkdir(parents=True, exist_ok=True)
            writer.write(self.output_dir / place)
            image = str(item[CommonKeys.IMAGE].meta[ImageMetaKey.FILENAME_OR_OBJ])
            self.cases.append({"image": image, "label": label, "prediction": place.as_posix()})

    def _free_place(self, name: str) -> Path:
        """Where the label map of a case goes: under its name, with a number where another case's has it."""
        taken = {case["prediction"] for case in self.cases}
        numbered = (f"{name}{f'.{number}' if number else ''}.nii.gz" for number in count())
        return next(place for one in numbered if (place := Path("predictions") / one).as_posix() not in taken)

    def _finish(self, _: Engine) -> None:
        parts = gathered({str(rank()): self.cases})
        if not is_first():
            return
        every = {case["label"]: case for part in parts.values() for case in part}
        names = unique_case_names(sorted(every))
        index = dict(zip(names, (every[label] for label in sorted(every)), strict=True))
        if self.which == CHOSEN:
            index = {name: index[name] for name in self._chosen() if name in index}
        kept = {case["prediction"] for case in index.values()}
        for file in (self.output_dir / "predictions").glob("*.nii.gz"):
            if file.relative_to(self.output_dir).as_posix() not in kept:
                file.unlink()
        write_json(self.output_dir / INDEX, index)

    def _chosen(self) -> list[str]:
        """The best, the median and the worst case of the report that has just been written."""
        rows = read_csv(self.output_dir / "metrics_per_case.csv")
        means = case_means({(row["case"], row["class"]): float(row["dice"]) for row in rows if row.get("dice")})
        ranked = sorted(means, key=means.__getitem__)
        return [ranked[place] for place in sorted({0, (len(ranked) - 1) // 2, len(ranked) - 1})] if ranked else []
