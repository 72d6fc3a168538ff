"""The metrics of an evaluation as files and as a printed table, with the scores of simpler predictors."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from monai.utils import (
    CommonKeys,
    ImageMetaKey,
    convert_to_numpy,
    convert_to_tensor,
    evenly_divisible_all_gather,
    string_list_all_gather,
)

from ..datalist.left_out import LeftOut
from ..geometry.voxel_volume import voxel_ml
from ..io.atomic_write import write_json
from ..io.json_file import read_json
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

BACKGROUND = "background"
CONFUSION = ("case", "truth", "predicted", "voxels")
MAJORITY = "majority class on the true mask"


class MetricsReport:
    """Write the metrics of an evaluation as files and log their table.

    `metrics_per_case.csv` has a row for every case and class, with the volume of the truth in ml; `confusion.csv`
    counts the voxels of every case by true and predicted class; `metrics_summary.csv` and `metrics.json` sum up.

    The evaluator's output holds "pred" and "label" of every case (decollated) as class ids in one channel, and its
    metrics keep details of shape (cases, classes) without background, nan where a case does not count for the
    class. With several processes the cases of all of them are in the report, each once, which the first process writes.

    Args:
        class_names: the foreground classes, in the order of their ids.
        baselines_file: JSON of the mean Dice of other predictors, `{"name": {"class": dice}}`; used where it exists.
        metrics: names in `engine.state.metric_details`; "dice", "nsd" and "hd95_mm" have their own titles and decimals.
        groups: name to names of classes whose joint mean is a row of its own, see `reports.metric_table.summary`.
        notes: further lines of the header, such as `custom.metrics.flare_rules(...)` or `hd95_rules(...)`.
        metric_titles: column to its printed title, such as {"dice": "DSC"}.
        majority: whether to show the predictor of the majority class below the scores.
    """

    def __init__(
        self,
        output_dir: str,
        class_names: Sequence[str],
        data_name: str = "",
        baselines_file: str | None = None,
        metrics: Sequence[str] = ("dice", "hd95_mm"),
        groups: Mapping[str, Sequence[str]] | None = None,
        notes: Sequence[str] = (),
        metric_titles: Mapping[str, str] | None = None,
        majority: bool = True,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.class_names = list(class_names)
        self.data_name = data_name
        self.baselines_file = baselines_file
        self.metrics = list(metrics)
        self.groups = {name: list(members) for name, members in (groups or {}).items()}
        self._joint = [*joint_rows(self.class_names, self.groups), MEAN_OF_CLASSES]
        self.notes = list(notes)
        self.metric_titles = metric_titles
        self.majority = majority
        self._files: list[str] = []
        self._voxels: list[torch.Tensor] = []  # of every case, (K + 2, K + 2), see `voxel_confusion`
        self._voxel_ml: list[float] = []

    def attach(self, engine: Engine) -> None:
        """Follow every epoch of `engine`, after its metrics: attach those first."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)

    def _start(self, _: Engine) -> None:
        self._files, self._voxels, self._voxel_ml = [], [], []

    def _collect(self, engine: Any) -> None:
        for item, output in zip(engine.state.batch, engine.state.output, strict=True):
            truth, prediction = output[CommonKeys.LABEL], output[CommonKeys.PRED]
            self._files.append(case_file(item) or f"process{rank()}_case{len(self._files)}")
            self._voxels.append(voxel_confusion(truth, prediction, len(self.class_names)))
            self._voxel_ml.append(voxel_ml(truth.affine if isinstance(truth, MetaTensor) else np.eye(4)))

    def keep_first(self, cases: int) -> None:
        """Forget all cases but the first of this process."""
        del self._files[cases:], self._voxels[cases:], self._voxel_ml[cases:]

    def _report(self, engine: Any) -> None:
        files = string_list_all_gather(self._files)
        voxels = evenly_divisible_all_gather(torch.stack(self._voxels), concat=True).numpy()
        voxels_ml = evenly_divisible_all_gather(torch.tensor(self._voxel_ml, dtype=torch.float64), concat=True).numpy()
        if not is_first():
            return
        first = {file: case for case, file in reversed(list(enumerate(files)))}  # samplers repeat cases
        once = [first[file] for file in sorted(first)]
        if len(once) < len(files):
            what = "%d of %d evaluated cases are repeats, left out of the report"
            logger.warning(what, len(files) - len(once), len(files))
        details = {name: convert_to_numpy(engine.state.metric_details[name])[once] for name in self.metrics}
        confusion = voxels[once]
        truth, predicted = confusion[:, 1:-1].sum(axis=2), confusion[:, :, 1:-1].sum(axis=1)
        rows = summary(self.class_names, details, missing=(truth > 0) & (predicted == 0), groups=self.groups)
        columns = {**details, "truth_voxels": truth, "predicted_voxels": predicted}
        columns["truth_ml"] = truth * voxels_ml[once, None]
        names = unique_case_names([files[i] for i in once])
        write_csv(self.output_dir / "confusion.csv", confusion_rows(names, self.class_names, confusion), CONFUSION)
        left_out = getattr(engine, "left_out", LeftOut()).reasons
        self._write(per_case_rows(names, self.class_names, columns), rows, self._baselines(truth), left_out)

    def _baselines(self, truth_voxels: np.ndarray) -> dict[str, dict[str, float | None]]:
        baselines = read_json(Path(self.baselines_file), {}) if self.baselines_file else {}
        if self.majority and len(self.class_names) > 1:
            dice = [None if np.isnan(value) else float(value) for value in majority_class_dice(truth_voxels)]
            baselines[MAJORITY] = dict(zip(self.class_names, dice, strict=True))
        return baselines

    def _write(
        self,
        case_rows: list[Row],
        summary_rows: list[Row],
        baselines: dict[str, dict[str, float | None]],
        left_out: Mapping[str, str],
    ) -> None:
        cases = len(case_rows) // len(self.class_names)
        notes = list(self.notes)
        if left_out:
            notes.append(f"{len(left_out)} of {cases + len(left_out)} cases left out, such as {next(iter(left_out))}")
        if len(self.class_names) > 1:
            joint = ", ".join(self._joint)
            notes.append(f"{joint}: the mean of their means; its sd and median over the cases' own means")
        write_csv(self.output_dir / "metrics_per_case.csv", case_rows)
        write_csv(self.output_dir / "metrics_summary.csv", summary_rows)
        content = {
            "data": self.data_name,
            "cases": cases,
            **({"left_out": dict(left_out)} if left_out else {}),
            "notes": notes,
            "rules": self.notes,
            **({"groups": self.groups} if self.groups else {}),
            "summary": {row["class"]: {key: row[key] for key in row if key != "class"} for row in summary_rows},
            "baselines": baselines,
        }
        write_json(self.output_dir / "metrics.json", content)
        data = self.data_name or "evaluation"
        table = format_table(summary_rows, data, cases, notes, baselines, self.metric_titles)
        logger.info("\n%s", table)


def voxel_confusion(truth: torch.Tensor, prediction: torch.Tensor, classes: int) -> torch.Tensor:
    """Voxels by true (rows) and predicted class (columns), (K + 2, K + 2): background, the classes, any other id."""
    ends = classes + 2
    true, given = (
        convert_to_tensor(ids, track_meta=False).flatten().cpu().to(torch.uint8).clamp(max=ends - 1).to(torch.int32)
        for ids in (truth, prediction)
    )
    return torch.bincount(true * ends + given, minlength=ends**2).reshape(ends, ends)


def confusion_rows(names: Sequence[str], class_names: Sequence[str], confusion: np.ndarray) -> list[Row]:
    """A row of voxels for each case, true class and predicted class that have any in common."""
    every = [BACKGROUND, *class_names]
    return [
        {
            "case": names[case],
            "truth": every[true],
            "predicted": every[given],
            "voxels": int(confusion[case, true, given]),
        }
        for case, true, given in np.argwhere(confusion[:, :-1, :-1])
    ]


def unique_case_names(files: Sequence[str]) -> list[str]:
    """File names without folder and .nii.gz, with as many folders before them as it takes to distinguish the cases."""
    parts = [PurePath(file.removesuffix(".gz").removesuffix(".nii")).parts for file in files]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(set(files)):
            return names
    return list(files)


def case_file(item: Mapping[str, Any]) -> str | None:
    """Name of the label's file, which names the case, or of the image's, where they know it."""
    metas = (getattr(item.get(key), "meta", {}) for key in (CommonKeys.LABEL, CommonKeys.IMAGE))
    return next((meta[ImageMetaKey.FILENAME_OR_OBJ] for meta in metas if ImageMetaKey.FILENAME_OR_OBJ in meta), None)
