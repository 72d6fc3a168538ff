"""What a work folder holds for its page: methods with their scores, curves, plans and records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...io.json_file import read_json
from ..stage_records import Record

STUDY, RECIPE = "study", "recipe"
STUDY_FILE, RECIPE_FILE = "study.json", "recipe.json"
PER_CASE, CONFUSION, INDEX = "metrics_per_case.csv", "confusion.csv", "predictions.json"
METRICS = "metrics.json"


@dataclass(frozen=True)
class Method:
    """An experiment of a study over folds and seeds, or a stage of a recipe.

    `evaluations` are the folders of its reports, `trainings` those of its runs, which may not be there yet.
    """

    name: str
    evaluations: tuple[Path, ...]
    trainings: tuple[Path, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """Everything that the page of a work folder is made of.

    `records` are those of all runs that have begun, `stages` of a recipe one a stage, its scores the means over seeds;
    `scored` says on which cases; `measured` are the folders where measurements of efficiency may lie.
    """

    kind: str
    folder: Path
    title: str
    methods: tuple[Method, ...]
    records: tuple[Record, ...]
    runs: int
    reference: str = ""
    shared: Mapping[str, Any] = field(default_factory=dict)
    excluded: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[Record, ...] = ()
    scored: str = ""
    measured: tuple[Path, ...] = ()

    @property
    def seeds(self) -> int:
        """With how many seeds every method was trained."""
        return len(self.shared.get("seeds") or [0])


def study_results(folder: Path) -> Results:
    """The results of `custom.workflows.Study`, which describes itself in `study.json`."""
    study = read_json(folder / STUDY_FILE, {})
    try:
        methods = tuple(
            Method(
                name,
                tuple(folder / "runs" / run / "output" / "evaluation" for run in entry["evaluations"]),
                tuple(folder / "runs" / run for run in entry["trainings"]),
                {**entry.get("settings", {}), **({"overlays": o} if (o := entry.get("overlays")) else {})},
            )
            for name, entry in study["experiments"].items()
        )
        reference, title = str(study["reference"]), str(study["title"])
        runs = set(study["runs"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder / STUDY_FILE}: is not as a study writes it ({error!r}); run the study again"
        ) from None
    shared = {key: study[key] for key in ("folds", "seeds", "overlays", "overrides") if study.get(key)}
    records = tuple(one for one in read_records(folder / "runs") if one["run"] in runs)  # others are of earlier calls
    return Results(STUDY, folder, title, methods, records, len(runs), reference, shared, measured=(folder,))


def read_records(folder: Path) -> tuple[Record, ...]:
    """The records of all runs in a folder, in the order they began."""
    files = folder.glob("*/record.json")
    records = ({"stage": file.parent.name, "run": file.parent.name, **read_json(file, {})} for file in files)
    return tuple(sorted(records, key=lambda one: (str(one.get("begun", "")), str(one["run"]))))
