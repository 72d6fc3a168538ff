"""What the work folder of a recipe holds for its page, of one run or of one with each of several seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...io.json_file import read_json
from ..stage_records import Record, mean_record
from .results import PER_CASE, RECIPE, RECIPE_FILE, Method, Results, read_records

SEEDS = "seed_*"
TEST, VALIDATION = Path("test") / "evaluation", Path("output") / "validation"
SETTINGS = ("plan", "overlays", "unannotated", "train", "control")


def work_folders(folder: Path) -> list[Path]:
    """The folders with stages: one for each seed of `custom.workflows.RecipeStudy`, or the folder itself.

    Seeds of earlier calls, which the study's description does not name, are passed over.
    """
    named = read_json(folder / RECIPE_FILE, {}).get("seeds")
    wanted = None if named is None else {f"seed_{seed}" for seed in named}
    seeds = [place for place in folder.glob(SEEDS) if (place / "stages").is_dir()]
    seeds = [place for place in seeds if wanted is None or place.name in wanted]
    return sorted(seeds, key=lambda place: (len(place.name), place.name)) or [folder]


def recipe_results(folder: Path) -> Results:
    """The results of a recipe: each stage is a method, scored on the test cases, where there are any.

    Without test cases it is scored on the validation cases.
    """
    places = work_folders(folder)
    described = {**read_json(places[0] / RECIPE_FILE, {}), **read_json(folder / RECIPE_FILE, {})}
    by_seed = [read_records(place / "stages") for place in places]
    begun = list(dict.fromkeys(str(one["stage"]) for records in by_seed for one in records))
    names = [name for name in described.get("stages", begun) if name in begun]
    by_seed = [tuple(one for one in records if one["stage"] in names) for records in by_seed]  # none of earlier calls
    joint = [one for records in by_seed for one in records]
    is_test = any((place / "stages" / name / TEST / PER_CASE).is_file() for place in places for name in names)
    shown = "test_scores" if is_test else "scores"
    stages = [mean_record([one for one in joint if one["stage"] == name], shown) for name in names]
    seeds = [place.name.partition("_")[2] for place in places] if places != [folder] else []
    scored = TEST if is_test else VALIDATION
    trained = tuple((seed, "") for seed in seeds or [""])
    methods = tuple(stage_method(places, trained, stage, scored) for stage in stages)
    return Results(
        RECIPE,
        folder,
        str(described.get("title") or folder.absolute().name),
        methods,
        tuple(named(one, place, folder) for place, records in zip(places, by_seed, strict=True) for one in records),
        len(described.get("stages", begun)) * len(described.get("seeds", places)),
        reference_of(methods, str(described.get("reference", ""))),
        {"cases": described.get("cases"), "seeds": seeds},
        {str(case): str(why) for place in places for case, why in read_json(place / "excluded.json", {}).items()},
        tuple(stages),
        f"{'test' if is_test else 'validation'} cases{f', {len(seeds)} seeds' if seeds else ''}",
        tuple(dict.fromkeys((folder, *places))),
    )


def stage_method(places: Sequence[Path], trained: tuple[tuple[str, str], ...], record: Record, scores: Path) -> Method:
    """A stage as a method."""
    runs = tuple(place / "stages" / str(record["stage"]) for place in places)
    settings = {key: record[key] for key in SETTINGS if record.get(key)}
    return Method(str(record["stage"]), tuple(run / scores for run in runs), trained, runs, settings)


def reference_of(methods: Sequence[Method], wanted: str) -> str:
    """The stage that the others are compared with: the wanted one, or as long as it has no scores the last that has."""
    scored = [one for one in methods if any((folder / PER_CASE).is_file() for folder in one.evaluations)]
    stages = [one.name for one in scored if "control" not in one.settings]
    return wanted if wanted in [one.name for one in scored] else next(iter(stages[-1:]), "")


def named(record: Record, place: Path, folder: Path) -> dict[str, Any]:
    """A record whose run is named after its seed, too, where there are seeds."""
    seed = [] if place == folder else [place.name]
    return {**record, "run": "/".join([*seed, str(record["run"])])}
