"""Where a pipeline keeps what: one folder a stage, files that tell what is finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cohort.manifest import CohortCase
from ..errors import InputError
from ..io.atomic_write import TEMPORARY_PREFIX, write_json


@dataclass(frozen=True)
class StageFolder:
    """The files of one stage."""

    path: Path

    @property
    def record(self) -> Path:
        """What was done: JSON, written anew at every step; its "state" is "done" at the end."""
        return self.path / "record.json"

    @property
    def inputs(self) -> Path:
        """What the stage's result follows from: JSON, written before anything else of the stage."""
        return self.path / "inputs.json"

    @property
    def models(self) -> Path:
        """Weights, settings, intensity statistics."""
        return self.path / "models"

    @property
    def model(self) -> Path:
        """The last epoch's weights."""
        return self.models / "model.pt"

    @property
    def output(self) -> Path:
        """Log, curves and validation of the training."""
        return self.path / "output"

    @property
    def scores(self) -> Path:
        """Metrics on the validation cases."""
        return self.output / "validation" / "metrics.json"

    @property
    def cache(self) -> Path:
        """Prepared cases, deleted when the stage is done."""
        return self.path / "cache"

    @property
    def review(self) -> Path:
        """Suspicious pseudo-labels."""
        return self.path / "review"

    @property
    def case_list(self) -> Path:
        """What the training reads."""
        return self.path / "training_cases.json"

    @property
    def validation_list(self) -> Path:
        """What its validation reads."""
        return self.path / "validation_cases.json"

    def pseudo_labels(self, group: str) -> Path:
        """Predictions for a group, on each scan's own grid."""
        return self.path / "pseudo_labels" / group

    def pseudo_label(self, group: str, case: str) -> Path:
        """The prediction for one case."""
        return self.pseudo_labels(group) / f"{case}.nii.gz"

    def merged(self, case: str) -> Path:
        """The label of one case after merging."""
        return self.path / "labels" / f"{case}.nii.gz"


class WorkFolder:
    """The folder of a whole pipeline.

    Args:
        path: made as needed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().absolute()
        self.intensity = self.path / "intensity.json"
        self.intensity_source = self.path / "intensity_source.json"
        self.set_aside_file = self.path / "set_aside.json"
        self.case_facts = self.path / "case_facts.json"
        self.checksums = self.path / "checksums.json"

    def stage(self, name: str) -> StageFolder:
        """The folder of a stage."""
        return StageFolder(self.path / "stages" / name)

    def records(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """The records of stages, in order; of one not begun only its name and state."""
        return [read_json(self.stage(name).record, {"stage": name, "state": "not begun"}) for name in names]

    def set_aside(self) -> dict[str, str]:
        """Name of a case -> why it is left out."""
        return dict(read_json(self.set_aside_file, {}))

    def replace_set_aside(self, reasons: dict[str, str]) -> None:
        """Leave out these cases and no others."""
        if reasons != self.set_aside():
            write_json(self.set_aside_file, reasons)

    def add_set_aside(self, reasons: dict[str, str]) -> None:
        """Leave more cases out from now on."""
        if reasons:
            write_json(self.set_aside_file, {**self.set_aside(), **reasons})

    def usable(self, cases: Sequence[CohortCase]) -> list[CohortCase]:
        """The cases not set aside; every process reads the same file."""
        aside = self.set_aside()
        return [case for case in cases if case.name not in aside]

    def remove_leftovers(self) -> None:
        """Delete the temporary files of a run that was killed while it wrote them."""
        for file in self.path.rglob(TEMPORARY_PREFIX + "*"):
            if file.is_file():
                file.unlink(missing_ok=True)

    def replace(self, names: Sequence[str]) -> list[Path]:
        """Move the folders of stages to `replaced/`, from where they can be fetched back; returns where they are."""
        moved = []
        for name in names:
            source = self.stage(name).path
            if source.exists():
                number = 1
                while (target := self.path / "replaced" / f"{name}.{number}").exists():
                    number += 1
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)
                moved.append(target)
        return moved


def is_finished(label: Path) -> bool:
    """Whether a label map was written whole: its record, written after it, is there too."""
    return label.exists() and record_of(label).exists()


def record_of(label: Path) -> Path:
    """The JSON beside a label map."""
    return label.with_name(label.name.removesuffix(".nii.gz") + ".json")


def read_json(file: Path, absent: Any) -> Any:
    """The content of a JSON file of the work folder, `absent` where there is none.

    Raises:
        InputError: the file was changed by hand into something else.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return absent
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as JSON ({error}); restore or remove it") from error
