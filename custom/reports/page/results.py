"""What a work folder holds for its page: methods with their scores, curves, plans and records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...io.json_file import read_json
from ..case_scores import Evaluation, refuse_other_classes
from ..stage_records import Record
from ..text_table import read_csv

STUDY, RECIPE = "study", "recipe"
STUDY_FILE, RECIPE_FILE = "study.json", "recipe.json"
ANY = "any"  # fold of an evaluation of which that is not known
PER_CASE, CONFUSION, INDEX = "metrics_per_case.csv", "confusion.csv", "predictions.json"


@dataclass(frozen=True)
class Method:
    """An experiment of a study over folds and seeds, or a stage of a recipe.

    `evaluations` are the folders of its reports, `places` seed and fold of the training that each scores, `trainings`
    the folders of its own runs, which may not be there yet.
    """

    name: str
    evaluations: tuple[Path, ...]
    places: tuple[tuple[int | str, int | str], ...]
    trainings: tuple[Path, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sources(self) -> list[Evaluation]:
        """The files with its scores of cases."""
        files = (folder / PER_CASE for folder in self.evaluations)
        return [Evaluation(self.name, *place, file) for place, file in zip(self.places, files, strict=True)]


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
        experiments = study["experiments"]
        places = tuple((seed, fold) for seed in study["seeds"] for fold in study["folds"])
        methods = tuple(
            Method(
                name,
                tuple(folder / "runs" / run / "output" / "evaluation" for run in entry["evaluations"]),
                places,
                tuple(folder / "runs" / run for run in entry["trainings"]) if "weights" not in entry else (),
                settings_of(entry, experiments),
            )
            for name, entry in experiments.items()
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


def evaluation_results(folder: Path) -> Results:
    """The evaluations of any models on the same cases: of each the `output_dir` of evaluate.yaml, under its name.

    Raises InputError: they are of different classes.
    """
    files = sorted(folder.glob(f"*/evaluation/{PER_CASE}"))
    refuse_other_classes({file: read_csv(file) for file in files})
    methods = tuple(Method(file.parts[-3], (file.parent,), ((0, ANY),), ()) for file in files)
    return Results(STUDY, folder, folder.absolute().name, methods, (), 0, measured=(folder,))


def settings_of(entry: Mapping[str, Any], experiments: Mapping[str, Any]) -> dict[str, Any]:
    """What an experiment of a study sets: for its training, or whose weights it scores, and for its evaluation."""
    weights = {"weights of": entry["weights"]} if "weights" in entry else {}
    trained = experiments[entry["weights"]] if weights else entry
    overlays = {"overlays": trained["overlays"]} if trained.get("overlays") else {}
    scoring = {**(trained.get("evaluation") or {}), **(entry.get("evaluation") or {})}
    evaluation = {f"evaluation: {key}": value for key, value in scoring.items()}
    return {**weights, **(trained.get("settings") or {}), **overlays, **evaluation}


def read_records(folder: Path) -> tuple[Record, ...]:
    """The records of all runs in a folder, in the order they began."""
    files = folder.glob("*/record.json")
    records = ({"stage": file.parent.name, "run": file.parent.name, **read_json(file, {})} for file in files)
    return tuple(sorted(records, key=lambda one: (str(one.get("begun", "")), str(one["run"]))))
