"""The metrics of an evaluation as files and as a printed table, with the scores of simpler predictors."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.utils import (
    CommonKeys,
    ImageMetaKey,
    convert_to_numpy,
    convert_to_tensor,
    evenly_divisible_all_gather,
    string_list_all_gather,
)

from ..errors import InputError
from ..io.atomic_write import write_json
from ..metrics.class_maps import check_class_ids
from ..metrics.hausdorff_distance import CONVENTIONS, MISSING_MM
from ..processes import is_first, rank
from ..reports.metric_table import (
    MEAN_OF_CLASSES,
    format_table,
    joint_rows,
    majority_class_dice,
    per_case_rows,
    summary,
)
from ..reports.text_table import Row, write_csv

logger = logging.getLogger(__name__)

MAJORITY = "majority class on the true mask"
HD95 = "hd95_mm"


class MetricsReport:
    """Write `metrics_per_case.csv`, `metrics_summary.csv` and `metrics.json` after an evaluation and log the table.

    The evaluator's output holds "pred" and "label" of every case (decollated) as class ids in one channel, and its
    metrics keep details of shape (cases, classes) without background, nan where a case does not count for the
    class. With several processes the cases of all of them are in the report, each once, which the first process writes.

    Args:
        output_dir: folder of the files.
        class_names: the foreground classes, in the order of their ids.
        data_name: what is evaluated, for the header of the table.
        convention: convention of the HD95 metric, for the header.
        baselines_file: JSON of the mean Dice of other predictors, `{"name": {"class": dice}}`; used where it exists.
        metrics: names in `engine.state.metric_details`; a mapping gives each its column. The columns "dice", "nsd" and
            "hd95_mm" have titles and decimals of their own.
        groups: name to names of classes whose joint mean is a row of its own, see `reports.metric_table.summary`.
        notes: further lines of the header, such as `custom.metrics.flare_rules(...)`.
        metric_titles: column to its printed title, such as {"dice": "DSC"}.
        majority: whether to show the predictor of the majority class below the scores.
    """

    def __init__(
        self,
        output_dir: str,
        class_names: Sequence[str],
        data_name: str = "",
        convention: str = "pooled",
        baselines_file: str | None = None,
        metrics: Sequence[str] | Mapping[str, str] = ("dice", "hd95_mm"),
        groups: Mapping[str, Sequence[str]] | None = None,
        notes: Sequence[str] = (),
        metric_titles: Mapping[str, str] | None = None,
        majority: bool = True,
    ) -> None:
        if convention not in CONVENTIONS:
            raise InputError(f"MetricsReport: convention {convention!r}; choose one of {', '.join(CONVENTIONS)}")
        self.output_dir = Path(output_dir)
        self.class_names = list(class_names)
        self.data_name = data_name
        self.convention = convention
        self.baselines_file = baselines_file
        self.columns = dict(metrics) if isinstance(metrics, Mapping) else {name: name for name in metrics}
        self.groups = {name: list(members) for name, members in (groups or {}).items()}
        self._joint = [*joint_rows(self.class_names, self.groups), MEAN_OF_CLASSES]
        self.notes = list(notes)
        self.metric_titles = metric_titles
        self.majority = majority
        self._files: list[str] = []
        self._voxels: list[torch.Tensor] = []

    def attach(self, engine: Engine) -> None:
        """Follow every epoch of `engine`, after its metrics: attach those first."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)

    def _start(self, _: Engine) -> None:
        self._files, self._voxels = [], []

    def _collect(self, engine: Engine) -> None:
        for item, output in zip(_items(engine.state.batch), _items(engine.state.output), strict=True):
            self._files.append(case_file(item) or f"process{rank()}_case{len(self._files)}")
            maps = [convert_to_tensor(output[key], track_meta=False) for key in (CommonKeys.LABEL, CommonKeys.PRED)]
            check_class_ids("MetricsReport", maps[1][None], maps[0][None])
            ends = len(self.class_names) + 1
            counts = [torch.bincount(ids.flatten().cpu().to(torch.uint8), minlength=ends)[1:ends] for ids in maps]
            self._voxels.append(torch.stack(counts))

    def _report(self, engine: Engine) -> None:
        files = string_list_all_gather(self._files)
        voxels = evenly_divisible_all_gather(torch.stack(self._voxels), concat=True).numpy()
        if not is_first():
            return
        first = {file: case for case, file in reversed(list(enumerate(files)))}  # samplers repeat cases
        once = [first[file] for file in sorted(first)]
        if len(once) < len(files):
            what = "%d of %d evaluated cases are repeats, left out of the report"
            logger.warning(what, len(files) - len(once), len(files))
        details = {column: self._details(engine, name, len(files))[once] for name, column in self.columns.items()}
        truth, predicted = voxels[once, 0], voxels[once, 1]
        rows = summary(self.class_names, details, missing=(truth > 0) & (predicted == 0), groups=self.groups)
        columns = {**details, "truth_voxels": truth, "predicted_voxels": predicted}
        names = unique_case_names([files[i] for i in once])
        self._write(per_case_rows(names, self.class_names, columns), rows, self._baselines(truth))

    def _details(self, engine: Engine, name: str, cases: int) -> np.ndarray:
        """(cases, classes) values of one metric."""
        kept = getattr(engine.state, "metric_details", {})
        if name not in kept:
            known = f"{', '.join(kept) or 'none'}; name one of those in `metrics`"
            raise InputError(f"MetricsReport: the evaluator keeps no details of a metric {name!r}; it has: {known}")
        values = convert_to_numpy(kept[name])
        if values.shape != (cases, len(self.class_names)):
            wanted = f"{cases} cases and {len(self.class_names)} classes; leave the background out of the metric"
            raise InputError(f"MetricsReport: details of {name!r} of shape {values.shape} for {wanted}")
        return values

    def _baselines(self, truth_voxels: np.ndarray) -> dict[str, dict[str, float | None]]:
        baselines = read_baselines(self.baselines_file) if self.baselines_file else {}
        if self.majority and len(self.class_names) > 1:
            dice = [_number_or_none(value) for value in majority_class_dice(truth_voxels)]
            baselines[MAJORITY] = dict(zip(self.class_names, dice, strict=True))
        return baselines

    def _write(
        self, case_rows: list[Row], summary_rows: list[Row], baselines: dict[str, dict[str, float | None]]
    ) -> None:
        cases = len(case_rows) // len(self.class_names)
        notes = list(self.notes)
        has_hd95 = HD95 in self.columns.values()
        if has_hd95:
            lacks = f"{MISSING_MM:g} mm where the prediction lacks the class"
            notes.append(f"HD95: {CONVENTIONS[self.convention]}; {lacks}")
        if len(self.class_names) > 1:
            joint = ", ".join(self._joint)
            notes.append(f"{joint}: the mean of their means; its sd and median over the cases' own means")
        write_csv(self.output_dir / "metrics_per_case.csv", case_rows)
        write_csv(self.output_dir / "metrics_summary.csv", summary_rows)
        content = {
            "data": self.data_name,
            "cases": cases,
            **({"hd95_convention": self.convention} if has_hd95 else {}),
            "notes": notes,
            **({"groups": self.groups} if self.groups else {}),
            "summary": {row["class"]: {key: row[key] for key in row if key != "class"} for row in summary_rows},
            "baselines": baselines,
        }
        write_json(self.output_dir / "metrics.json", content)
        data = self.data_name or "evaluation"
        table = format_table(summary_rows, data, cases, notes, baselines, self.groups, self.metric_titles)
        logger.info("\n%s", table)


def read_baselines(path: str | Path) -> dict[str, dict[str, float | None]]:
    """The predictors of a baselines file; none where there is no such file.

    A file of another form is reported and left out: it must not cost an evaluation of hours.
    """
    if not Path(path).is_file():
        return {}
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        known = {str(name): classes.items() for name, classes in content.items()}
        return {name: {str(one): _number_or_none(dice) for one, dice in items} for name, items in known.items()}
    except (ValueError, TypeError, AttributeError) as error:
        logger.warning('%s: not JSON of the form {"name": {"class": dice}} (%s); no baselines shown', path, error)
        return {}


def _number_or_none(value: float | None) -> float | None:
    """JSON knows no nan: a class without cases has None."""
    return None if value is None or np.isnan(float(value)) else float(value)


def unique_case_names(files: Sequence[str]) -> list[str]:
    """File names without folder and .nii.gz, with as many folders before them as it takes to distinguish the cases."""
    parts = [PurePath(file.removesuffix(".gz").removesuffix(".nii")).parts for file in files]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(set(files)):
            return names
    return list(files)


def _items(collection: Any) -> list[Mapping[str, Any]]:
    """The decollated dictionaries of a batch."""
    if isinstance(collection, list):
        return collection
    raise InputError("MetricsReport: the evaluator gives whole batches; set its decollate=True")


def case_file(item: Mapping[str, Any]) -> str | None:
    """Name of the label's file, which names the case, or of the image's, where they know it."""
    metas = (getattr(item.get(key), "meta", {}) for key in (CommonKeys.LABEL, CommonKeys.IMAGE))
    return next((meta[ImageMetaKey.FILENAME_OR_OBJ] for meta in metas if ImageMetaKey.FILENAME_OR_OBJ in meta), None)
