"""What a run has done and what it follows from: `record.json` and `inputs.json` in its folder."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ..engines.training_log import SECONDS, read_rows
from ..io.json_file import read_json
from ..reports.stage_records import DONE

RUNNING, INTERRUPTED, FAILED, NOT_BEGUN = "running", "interrupted", "failed", "not begun"
JOB_LOG, JOB_END = "job.log", "job_end.txt"  # of a run in a process of its own: what it says, and why it failed, if so


class RunFolder:
    """The folder of one run, and what it holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = path / "record.json"  # what was done; written first and, with the state "done", last
        self.inputs = path / "inputs.json"  # what the result follows from; written before anything else
        self.output = path / "output"  # log, curves, scores
        self.models = path / "models"  # weights, and what belongs to them
        self.cache = path / "cache"  # prepared cases, deleted when the run is done

    def is_done(self) -> bool:
        """Whether nothing of the run is left."""
        return read_json(self.record, {}).get("state") == DONE


def now() -> str:
    """The time for a record."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def training_seconds(log_file: Path) -> float:
    """The seconds spent in training steps, from the log."""
    rows = read_rows(log_file) if log_file.exists() else []
    return round(sum(float(row.get(SECONDS, 0)) for row in rows), 1)


def scores_of(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name -> means ("dice"), deviations ("dice_sd") and number of cases, from metrics.json.

    Of the groups of classes where there are any, else of the classes and their mean.
    """
    summary = metrics.get("summary", {})
    chosen = {name: summary[name] for name in metrics.get("groups", {}) if name in summary} or summary
    return {
        name: {key.removesuffix("_mean"): row[key] for key in row if key == "cases" or key.endswith(("_mean", "_sd"))}
        for name, row in chosen.items()
    }
