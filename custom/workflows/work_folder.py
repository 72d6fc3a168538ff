"""Where a pseudo-label pipeline keeps what: one folder a stage, and the cases that are excluded."""

from collections.abc import Sequence
from pathlib import Path

from ..cohort.manifest import CohortCase
from ..io.atomic_write import write_json
from ..io.json_file import read_json
from ..io.run_lock import one_at_a_time
from .record import RunFolder


class StageFolder(RunFolder):
    """The files of one stage."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.model = self.models / "model.pt"  # the last epoch's weights
        self.scores = self.output / "validation" / "metrics.json"
        self.review = path / "review"  # suspicious pseudo-labels
        self.case_list = path / "training_cases.json"  # what the training reads
        self.validation_list = path / "validation_cases.json"  # what its validation reads
        self.test_list = path / "test_cases.json"  # what its model is scored on in the end
        self.test = path / "test"
        self.test_scores = self.test / "evaluation" / "metrics.json"
        self.learnt = path / "learnt.json"  # classes that some case of the training is annotated for, or filled
        self.held_back = path / "held_back.json"  # classes that pseudo-labels do not fill, of each group and case

    def pseudo_labels(self, group: str) -> Path:
        """Predictions for a group, on each scan's own grid."""
        return self.path / "pseudo_labels" / group

    def pseudo_label(self, group: str, case: str) -> Path:
        """The prediction for one case."""
        return self.pseudo_labels(group) / f"{case}.nii.gz"

    def second_label(self, group: str, case: str) -> Path:
        """The prediction of the model that the first is compared with."""
        return self.path / "second_labels" / group / f"{case}.nii.gz"

    def merged(self, case: str) -> Path:
        """The label of one case after merging."""
        return self.path / "labels" / f"{case}.nii.gz"


class WorkFolder:
    """The folder of a whole pipeline."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        self.intensity = self.path / "intensity.json"
        self.scans = self.path / "scans.json"
        self.intensity_source = self.path / "intensity_source.json"
        self.excluded_file = self.path / "excluded.json"
        self.case_facts = self.path / "case_facts.json"
        self.checksums = self.path / "checksums.json"

    def stage(self, name: str) -> StageFolder:
        """The folder of a stage."""
        return StageFolder(self.path / "stages" / name)

    def excluded(self) -> dict[str, str]:
        """Name of a case -> why it is excluded."""
        return dict(read_json(self.excluded_file, {}))

    def exclude(self, reasons: dict[str, str]) -> None:
        """Exclude more cases from now on, in whichever of several processes."""
        if reasons:
            with one_at_a_time(self.path / ".excluded.lock"):
                self.replace_excluded({**self.excluded(), **reasons})

    def replace_excluded(self, reasons: dict[str, str]) -> None:
        """Exclude these cases and no others."""
        if reasons != self.excluded():
            write_json(self.excluded_file, reasons)

    def usable(self, cases: Sequence[CohortCase]) -> list[CohortCase]:
        """The cases not excluded; every process reads the same file."""
        excluded = self.excluded()
        return [case for case in cases if case.name not in excluded]


def is_finished(label: Path) -> bool:
    """Whether a label map was written whole: its record, written after it, is there too."""
    return label.exists() and record_of(label).exists()


def record_of(label: Path) -> Path:
    """The JSON next to a label map."""
    return label.with_name(label.name.removesuffix(".nii.gz") + ".json")
