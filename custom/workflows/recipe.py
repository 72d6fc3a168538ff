"""The stages of a pseudo-label recipe as data: what each labels with which earlier model, and what it trains on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..cohort.held_back import Thresholds
from ..cohort.manifest import Cohort, CohortCase, one_spelling
from ..errors import InputError
from ..losses.partial_label import BACKGROUND, MARGINAL, UNANNOTATED
from ..options.kinds import FILE_NAME, MAPPING, NAME_OR_NUMBER, NAMES, SHARE, SWITCH, Kind, Option, choice, or_nothing

FILLED, ANNOTATED = "filled", "annotated"


@dataclass(frozen=True)
class Stage:
    """One stage as the recipe describes it, with the keys that configs/pipeline.yaml explains."""

    name: str
    train: tuple[str, ...]
    fill: Mapping[str, str] = field(default_factory=dict)
    start_from: str = ""
    overlays: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    inference: Mapping[str, Any] = field(default_factory=dict)
    labels: str = FILLED
    unannotated: str = "background"
    lesions_overwrite: bool = True
    confidence: float = 0.0
    min_dice: float = 0.0
    min_class_confidence: float = 0.0
    min_agreement: float = 0.0
    agree_with: str = ""
    control: bool = False

    @property
    def thresholds(self) -> Thresholds:
        """What a class must reach to be filled."""
        return Thresholds(self.min_dice, self.min_class_confidence, self.min_agreement)


@dataclass(frozen=True)
class TrainingCase:
    """A case as a stage trains on it: `filled_by` is the stage whose folder holds its merged label, or None."""

    case: CohortCase
    filled_by: str | None
    annotated: tuple[int, ...]


@dataclass(frozen=True)
class Fill:
    """A group to label: which model does it, which classes that model knows."""

    group: str
    model_stage: str
    classes: tuple[int, ...]
    cases: tuple[CohortCase, ...]


@dataclass(frozen=True)
class PlannedStage:
    """A stage with the cases it works on; `classes` are the ids its model learns."""

    stage: Stage
    fills: tuple[Fill, ...]
    training: tuple[TrainingCase, ...]
    classes: tuple[int, ...]


def parse_recipe(
    recipe: Sequence[Mapping[str, Any]], groups: Sequence[str], defaults: Mapping[str, Any] | None = None
) -> list[Stage]:
    """The stages of a recipe, checked; `defaults` are keys for every stage that has none of its own.

    Raises InputError: naming the stage, the key, its value and the remedy.
    """
    defaults = dict(defaults or {})
    unknown = [key for key in defaults if key not in _DEFAULT_KEYS]
    if unknown:
        raise InputError(f"defaults: {unknown[0]!r} is no key for all stages; use {', '.join(_DEFAULT_KEYS)}")
    if "merge" in defaults:
        defaults["merge"] = Option("merge", _MAPPING).checked(defaults["merge"], "defaults: ")
    if isinstance(recipe, str | Mapping) or not isinstance(recipe, Sequence) or not recipe:
        raise InputError(f"recipe is {recipe!r}; it must be a list of stages, each with name and train")
    stages: list[Stage] = []
    for number, entry in enumerate(recipe, start=1):
        stages.append(_parse_stage(number, _with_defaults(entry, defaults), groups, stages))
    return stages


def plan_stages(stages: Sequence[Stage], groups: Mapping[str, Sequence[CohortCase]]) -> list[PlannedStage]:
    """What every stage labels and trains on, from the groups of a cohort alone.

    A model knows the classes that were annotated or filled in any case it was trained on; only those it fills. Raises
    InputError: a stage would train on cases without any label, or on none, or asks a model about classes that it does
    not know.
    """
    planned: dict[str, PlannedStage] = {}
    filled: dict[str, tuple[Fill, str]] = {}
    for stage in stages:
        fills = tuple(
            Fill(group, model, planned[model].classes, tuple(groups[group])) for group, model in stage.fill.items()
        )
        for fill in fills if stage.agree_with else ():
            _check_second(stage, fill, planned[stage.agree_with].classes)
        latest = {**filled, **{fill.group: (fill, stage.name) for fill in fills}}
        training = tuple(
            _training_case(case, latest.get(group), stage) for group in stage.train for case in groups[group]
        )
        _check_labelled(stage, training, groups)
        classes = tuple(sorted({number for one in training for number in one.annotated}))
        planned[stage.name] = PlannedStage(stage, fills, training, classes)
        if not stage.control:
            filled = latest
    return list(planned.values())


def describe_plan(
    planned: Sequence[PlannedStage], cohort: Cohort, selected: Collection[str] | None = None
) -> list[str]:
    """The plan in lines for the terminal: what is labelled by which model, and how many cases are trained on.

    Of the stages named `selected` only, by default all; their numbers are those in the whole recipe.
    """
    lines = []
    for number, one in enumerate(planned, start=1):
        stage = one.stage
        if selected is not None and stage.name not in selected:
            continue
        network = f"plan {stage.settings['plan']}" if "plan" in stage.settings else "the common plan"
        lines.append(f"{number}. {stage.name}{' (control)' if stage.control else ''}: {network}")
        for fill in one.fills:
            names = _shortened(cohort.class_names(fill.classes))
            lines.append(
                f"   label {len(fill.cases)} cases of {fill.group} with the model of {fill.model_stage} ({names})"
            )
        known = f"learns {len(one.classes)} of {len(cohort.classes)} classes"
        lines.append(f"   train on {len(one.training)} cases of {', '.join(stage.train)}; {known}{_notes(stage)}")
    return lines


def _with_defaults(entry: Any, defaults: Mapping[str, Any]) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    merge = entry.get("merge", {})
    if isinstance(merge, Mapping) and "merge" in defaults:
        entry = {**entry, "merge": {**defaults["merge"], **merge}}
    return {**defaults, **entry}


def _parse_stage(number: int, entry: Any, groups: Sequence[str], earlier: Sequence[Stage]) -> Stage:
    where = f"recipe, stage {number}"
    if not isinstance(entry, Mapping) or not {"name", "train"} <= set(entry):
        raise InputError(f"{where} is {entry!r}; it must be a mapping with at least name and train")
    where = f"recipe, stage {entry['name']}"
    values = _checked(entry, _KEYS, where)
    values["fill"] = {group: str(model) for group, model in values.get("fill", {}).items()}
    merge = _checked(values.pop("merge", {}), MERGE_KEYS, f"{where}, merge")
    taken = [one_spelling(one.name) for one in earlier]
    if not FILE_NAME.fullmatch(values["name"]) or one_spelling(values["name"]) in taken:
        raise InputError(f"{where}: the name must be usable as a folder's and differ from every other stage's")
    stage = Stage(**values, **merge)
    _check_groups(stage, where, groups, [one.name for one in earlier if stage.control or not one.control])
    return stage


def _check_groups(stage: Stage, where: str, groups: Sequence[str], models: Sequence[str]) -> None:
    if len(set(stage.train)) < len(stage.train):
        raise InputError(f"{where}: train is {list(stage.train)}; name every group once")
    for group in (*stage.train, *stage.fill):
        if group not in groups:
            known = ", ".join(groups)
            raise InputError(f"{where}: {group!r} is none of the groups {known}; correct it or add the group")
    used = {f"{group} shall be filled by": model for group, model in stage.fill.items()}
    used |= {f"{key} is": model for key in ("start_from", "agree_with") if (model := getattr(stage, key))}
    for what, model in used.items():
        if model not in models:
            known = ", ".join(models) or "there is none"
            raise InputError(f"{where}: {what} {model!r}, which is no earlier stage ({known}); name one of those")
    if bool(stage.agree_with) != bool(stage.min_agreement):
        raise InputError(f"{where}: merge needs both agree_with, a stage, and min_agreement, or neither; give both")


def _check_second(stage: Stage, fill: Fill, second: Collection[int]) -> None:
    """Refuse a second model that does not know a class it is asked about: it would find that absent everywhere."""
    filled = {number for case in fill.cases for number in fill.classes if number not in case.annotated}
    if missing := filled - set(second):
        what = f"does not learn {len(missing)} of the {len(filled)} classes that {fill.model_stage} fills"
        raise InputError(
            f"stage {stage.name}: agree_with is {stage.agree_with!r}, which {what} in {fill.group}; name a stage that "
            "learns them all"
        )


def _check_labelled(stage: Stage, training: Sequence[TrainingCase], groups: Mapping[str, Sequence[CohortCase]]) -> None:
    if not training:
        raise InputError(f"stage {stage.name}: {', '.join(stage.train)} hold no case to train on; check the groups")
    for group in stage.train:
        names = {case.name for case in groups[group]}
        bare = sum(one.case.name in names and not one.annotated for one in training)
        if bare:
            what = f"stage {stage.name}: {bare} of {len(names)} cases of {group} have no label"
            raise InputError(f"{what}; let an earlier model fill {group}, or leave it out")


def _training_case(case: CohortCase, filled: tuple[Fill, str] | None, stage: Stage) -> TrainingCase:
    if filled is None or stage.labels == ANNOTATED:
        return TrainingCase(case, None, case.annotated)
    fill, filled_by = filled
    return TrainingCase(case, filled_by, tuple(sorted({*case.annotated, *fill.classes})))


def _fraction(value: Any) -> float:
    found: float = SHARE.read(value)
    if found == 1:
        raise ValueError
    return found


_MAPPING, _NAME = or_nothing(MAPPING, {}), or_nothing(NAME_OR_NUMBER, "")
_FRACTION = Kind("a number from 0 to below 1", _fraction)
MERGE_KEYS = {
    "lesions_overwrite": SWITCH,
    "confidence": _FRACTION,
    "min_dice": _FRACTION,
    "min_class_confidence": _FRACTION,
    "min_agreement": _FRACTION,
    "agree_with": _NAME,
}
_KEYS = {
    "name": NAME_OR_NUMBER,
    "train": NAMES,
    "fill": _MAPPING,
    "overlays": NAMES,
    "start_from": _NAME,
    "settings": _MAPPING,
    "inference": _MAPPING,
    "labels": choice(FILLED, ANNOTATED),
    "unannotated": choice(*UNANNOTATED),
    "merge": _MAPPING,
    "control": SWITCH,
}
_DEFAULT_KEYS = ("overlays", "settings", "inference", "labels", "unannotated", "merge")


def _checked(entry: Mapping[str, Any], keys: Mapping[str, Kind], where: str) -> dict[str, Any]:
    """The values of the keys that are there; several names as a tuple."""
    unknown = [key for key in entry if key not in keys]
    if unknown:
        raise InputError(f"{where}: unknown key {unknown[0]!r}; use {', '.join(keys)}")
    values = {key: Option(key, kind).checked(entry[key], f"{where}: ") for key, kind in keys.items() if key in entry}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _notes(stage: Stage) -> str:
    notes = []
    if stage.start_from:
        notes.append(f"starting from {stage.start_from}")
    if stage.labels == ANNOTATED:
        notes.append("annotated labels only")
    if stage.unannotated != BACKGROUND:
        notes.append("marginal loss" if stage.unannotated == MARGINAL else "no gradient for unannotated classes")
    if stage.confidence:
        notes.append(f"voxels below {stage.confidence:g} ignored")
    gates = {"Dice": stage.min_dice, "confidence": stage.min_class_confidence, "agreement": stage.min_agreement}
    held = ", ".join(f"{name} {least:g}" for name, least in gates.items() if least)
    if held and stage.fill:
        notes.append(f"classes below {held} held back")
    return f" ({'; '.join(notes)})" if notes else ""


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} classes"
