"""One stage of a recipe: label groups with earlier models, merge, train, record."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..cohort.manifest import Cohort, CohortCase, case_entry
from ..datalist.case_list import write_case_list
from ..datalist.class_names import checked_class_names, same_names
from ..datalist.output_names import OUTPUT_NAME
from ..errors import InputError, find_input_error, input_error_message
from ..io.atomic_write import replacing, write_json
from ..io.checksums import sha256
from ..io.json_file import read_json
from ..losses.partial_label import BACKGROUND
from ..options.gate import quoted
from ..plans import PLAN_FILE, Plan, load_plan, read_plan
from ..processes import on_first, rank, together
from .bundle_run import checked_settings, config_checksums, run_config
from .judge_pseudo_labels import held_back_lines, judge_group
from .pseudo_labelling import label_cases, merge_group
from .recipe import MERGE_KEYS, Fill, PlannedStage, Stage
from .record import scores_of, training_seconds
from .review_pseudo_labels import annotated_classes, review_stage
from .run import Run
from .work_folder import StageFolder, WorkFolder, is_finished, record_of

logger = logging.getLogger(__name__)

FIRST, SECOND = "label", "compare"  # which of two models labels a group
# what a stage sets itself -> the key of the recipe that says it
SET_BY_STAGE = {
    **{"unannotated": "unannotated", "initial_weights": "start_from"},
    **dict.fromkeys(("output_dir", "ckpt_dir", "cache_dir", "resume", "validate_data"), ""),
}
SCORING = ("windows", "min_foreground_voxels", "return_grid", "drop_last_slice")  # of validation and test cases alike


@dataclass(frozen=True)
class PipelineSettings:
    """What all stages share; see `PseudoLabelPipeline`.

    `tracking`: what makes their runs record themselves, nothing where they do not.
    """

    bundle_root: Path
    overlays: tuple[str, ...]
    training: Mapping[str, Any]
    inference: Mapping[str, Any]
    runtime: Mapping[str, Any]
    keep_cache: bool
    window: tuple[float, float] | None
    tracking: Mapping[str, Any] = field(default_factory=dict)
    cases_per_job: int = 200

    def training_configs(self, stage: Stage) -> list[str]:
        """The configs that a stage's training lays over one another."""
        return ["train", *self.overlays, *stage.overlays]

    def all_configs(self, stage: Stage) -> tuple[str, ...]:
        """All configs that a stage's training and predictions with its model use."""
        return tuple(dict.fromkeys([*self.training_configs(stage), "inference"]))

    def with_checked_values(self, stages: Sequence[Stage]) -> "PipelineSettings":
        """The same with values that have passed the descriptions of the options of any stage."""
        names = tuple(dict.fromkeys(name for stage in stages for name in self.all_configs(stage)))
        check = partial(checked_settings, "all stages", self.bundle_root, names)
        training, inference, runtime = (check(one) for one in (self.training, self.inference, self.runtime))
        return replace(self, training=training, inference=inference, runtime=runtime)

    def checked(self, stage: Stage) -> Stage:
        """A stage whose settings have passed their options' descriptions, before hours of work."""
        check = partial(checked_settings, f"stage {stage.name}", self.bundle_root, self.all_configs(stage))
        for common in (self.training, self.inference, self.runtime):
            check(common)
        for key in ({**self.training, **stage.settings}).keys() & SET_BY_STAGE.keys():
            remedy = f"use the stage's key {own}" if (own := SET_BY_STAGE[key]) else "leave it out"
            raise InputError(f"stage {stage.name}: {key} in training or settings is set by the stage itself; {remedy}")
        return replace(stage, settings=check(stage.settings), inference=check(stage.inference))

    def plan_name(self, stage: Stage) -> str:
        """The plan that a stage trains with, by name or file; by default the one of train.yaml."""
        named = {**self.training, **stage.settings}.get("plan")
        if named:
            return str(named)
        return str(ConfigParser.load_config_file(str(self.bundle_root / "configs" / "train.yaml"))["default_plan"])

    def plan(self, stage: Stage) -> Plan:
        """The content of that plan."""
        return load_plan(self.plan_name(stage), self.bundle_root)


class StageRun(Run):
    """Label groups with earlier models, review, merge and train; every step does only what is not there yet.

    `planned` is one of the stages of `recipe`, `checksums` gives file -> checksum of every file of the cohort.
    """

    def __init__(
        self,
        planned: PlannedStage,
        recipe: Sequence[PlannedStage],
        cohort: Cohort,
        groups: Mapping[str, Sequence[CohortCase]],
        work: WorkFolder,
        settings: PipelineSettings,
        checksums: Callable[[], Mapping[str, str]],
    ) -> None:
        self.planned = planned
        self.stage = planned.stage
        self.recipe = {one.stage.name: one for one in recipe}
        self.cohort = cohort
        self.groups = groups
        self.work = work
        self.settings = settings
        self.checksums = checksums
        self.name = self.stage.name
        self.needs = model_stages(planned)
        self.shares = tuple(self.labelled_alike())
        self.folder: StageFolder = work.stage(self.name)

    def inputs(self) -> dict[str, Any]:
        """What the labels, the weights and the scores follow from."""
        planned, checksums = self.planned, self.checksums()
        described = asdict(self.stage)
        if not planned.fills:  # nothing is merged, however that would be done
            described = {key: value for key, value in described.items() if key not in MERGE_KEYS}
        used = {one.case.name: one.case for one in planned.training}
        used |= {case.name: case for fill in planned.fills for case in fill.cases}

        def content(case: CohortCase) -> dict[str, Any]:
            label = checksums[case.label] if case.label else None
            return {"image": checksums[case.image], "label": label, "annotated": case.annotated}

        return {
            "stage": {**described, "settings": without_plan(self.stage.settings)},
            "plan": self.settings.plan(self.stage),
            "classes": self.cohort.classes,
            "lesions": self.cohort.lesions,
            "common": {"training": without_plan(self.settings.training), "inference": self.settings.inference},
            "configs": config_checksums(self.settings.bundle_root, self.settings.all_configs(self.stage)),
            "fills": {fill.group: [fill.model_stage, fill.classes] for fill in planned.fills},
            "cases": {name: content(case) for name, case in sorted(used.items())},
            "trained": {one.case.name: [one.filled_by, one.annotated] for one in planned.training},
            "validation": {case.name: content(case) for case in self.cohort.validation},
            "test": {case.name: content(case) for case in self.cohort.test},
        }

    def refuse_other_classes(self) -> None:
        """Refuse a plan, or class_names among the settings, of other classes than the cohort's."""
        plan, planned = self.settings.plan_name(self.stage), self.settings.plan(self.stage)["classes"]
        settings = {**self.settings.training, **self.stage.settings}
        planned = checked_class_names(settings.get("class_names", planned), f"stage {self.name}: class_names")
        if not same_names(planned, self.cohort.classes):
            raise InputError(
                f"stage {self.name}: plan {plan} is for {', '.join(planned)}, the cohort has "
                f"{', '.join(self.cohort.classes)}: pass a --plan of the cohort (python -m custom plan)"
            )

    def execute(self) -> None:
        """Label, review, merge and train."""
        models = on_first(self.models)
        for fill in self.planned.fills:
            on_first(partial(self.take_over, fill))
        for kind, fill in self.labellings():
            self.label(kind, fill)
        if self.planned.fills:
            on_first(self.judge)
            on_first(self.review)
        for fill in self.planned.fills:
            cases = self.work.usable(fill.cases)
            failed = merge_group(self.planned, fill, cases, self.cohort, self.folder, models[fill.group])
            on_first(partial(self.work.exclude, failed))
        self.train()
        if self.cohort.test:
            self.score()

    def labellings(self) -> list[tuple[str, Fill]]:
        """Every group with the model that labels it, and the one that the first is compared with."""
        fills = [(FIRST, fill) for fill in self.planned.fills]
        seconds = [replace(fill, model_stage=self.stage.agree_with) for fill in self.planned.fills]
        return [*fills, *((SECOND, fill) for fill in seconds if self.stage.agree_with)]

    def label(self, kind: str, fill: Fill, part: str = "") -> None:
        """Label the cases that have no label yet, and exclude those that cannot be labelled."""
        predict = partial(self.predict, kind, fill, part or fill.group)
        failed = label_cases(self.work.usable(fill.cases), partial(self.label_of, kind, fill.group), predict)
        on_first(partial(self.work.exclude, failed))

    def label_of(self, kind: str, group: str, case: str) -> Path:
        """The label map of a case by the first model or by the second."""
        return (self.folder.pseudo_label if kind == FIRST else self.folder.second_label)(group, case)

    def parts(self) -> list[str]:
        """Chunks of cases of which some have no label yet."""
        for fill in self.planned.fills:
            self.take_over(fill)
        return [name for name in self.chunks() if not self.is_part_done(name)]

    def is_part_done(self, part: str) -> bool:
        """Whether every usable case of a chunk has its label."""
        kind, fill = self.chunks()[part]
        return all(is_finished(self.label_of(kind, fill.group, case.name)) for case in self.work.usable(fill.cases))

    def execute_part(self, part: str) -> None:
        """Label a chunk."""
        self.label(*self.chunks()[part], part)

    def chunks(self) -> dict[str, tuple[str, Fill]]:
        """Name -> what to label, in chunks of `cases_per_job` cases."""
        size = self.settings.cases_per_job
        found = {}
        for kind, fill in self.labellings():
            for number, start in enumerate(range(0, len(fill.cases), size), start=1):
                chunk = replace(fill, cases=fill.cases[start : start + size])
                found[f"{kind}_{fill.group}_{number:03d}"] = (kind, chunk)
        return found

    def models(self) -> dict[str, str]:
        """Group to label -> checksum of the weights that do."""
        return {fill.group: self.model_checksum(fill) for fill in self.planned.fills}

    def model_checksum(self, fill: Fill) -> str:
        """The checksum of the weights that label a group.

        Raises InputError: they are not those that the stage's training left.
        """
        model = self.work.stage(fill.model_stage)
        found, recorded = sha256(model.model), read_json(model.record, {}).get("model_sha256")
        if recorded is not None and found != recorded:
            raise InputError(
                f"{model.model} has the checksum {found[:8]}, stage {fill.model_stage} ended with {recorded[:8]}: "
                "restore it, or remove that stage's record.json to train it again"
            )
        return found

    def take_over(self, fill: Fill) -> None:
        """Copy the labels that an earlier stage already has of a group by the same model."""
        for name in self.labelled_alike(fill):
            for case in self.work.usable(fill.cases):
                folders = self.work.stage(name), self.folder
                copy_label(*(folder.pseudo_label(fill.group, case.name) for folder in folders))

    def labelled_alike(self, *fills: Fill) -> list[str]:
        """The earlier stages that label one of some groups, by default all, by the same model."""
        if self.stage.confidence:  # of which those stages may have no maps
            return []
        names = list(self.recipe)
        wanted = {(fill.group, fill.model_stage) for fill in fills or self.planned.fills}
        earlier = names[: names.index(self.name)]
        return [name for name in earlier if wanted & {(one.group, one.model_stage) for one in self.recipe[name].fills}]

    def predict(self, kind: str, fill: Fill, list_name: str, cases: Sequence[CohortCase]) -> dict[str, str]:
        """Run inference.yaml on some cases with the model of an earlier stage; name -> reason of those left out.

        The labels of a second model only say where the first one's can be trusted.
        """
        source, model = self.recipe[fill.model_stage].stage, self.work.stage(fill.model_stage)
        checksum = self.model_checksum(fill)
        output = self.label_of(kind, fill.group, "any").parent
        case_list = output.parent / f"{list_name}_process{rank()}.json"
        write_case_list(case_list, [{"image": case.image, OUTPUT_NAME: f"{case.name}.nii.gz"} for case in cases])
        overrides = {
            **self.settings.inference,
            **source.inference,
            **self.settings.runtime,
            "run_name": f"of {fill.group} with {source.name}",
            "confidence": self.stage.confidence > 0 and kind == FIRST,
            **self.settings.tracking,
            "dataset_dir": str(case_list),
            "dataset#data": f"$datalist.read_case_list({quoted(case_list)})",
            "output_dir": str(output),
            "ckpt_dir": str(model.models),
            "checkpoint": str(model.model),
            "case_records": True,
            "left_out#file": "",  # all processes write to one folder
            "record_facts": {"stage": self.stage.name, "model": {"stage": source.name, "sha256": checksum}},
        }
        return by_name(run_config(self.settings.bundle_root, ["inference"], overrides), cases)

    def judge(self) -> None:
        """Decide, once, which classes stay unannotated in which case."""
        if self.folder.held_back.exists():
            return
        if self.stage.min_dice and not self.cohort.validation:
            logger.warning("stage %s: min_dice judges by validation cases, of which there are none", self.name)
        found = {
            fill.group: judge_group(
                *(self.stage, fill, self.work.usable(fill.cases), self.cohort),
                *(self.folder, self.work.stage(fill.model_stage)),
            )
            for fill in self.planned.fills
        }
        write_json(self.folder.held_back, found)

    def review(self) -> None:
        """Write the table and the pictures of suspicious pseudo-labels, once."""
        counts_file = self.folder.review / "counts.json"
        if counts_file.exists():
            return
        distribution = annotated_classes(self.cohort, self.work.usable(self.cohort.training))
        fills = [(fill, self.work.usable(fill.cases)) for fill in self.planned.fills]
        count = review_stage(self.folder, fills, self.cohort, distribution, self.settings.window)
        write_json(counts_file, {"cases": count})

    def train(self) -> None:
        """Run train.yaml from its last checkpoint on, which is nothing once the last epoch is done."""
        on_first(self.write_case_lists)
        names = [*self.settings.training_configs(self.stage), *(["multi_gpu_train"] if together() else [])]
        try:
            unscored = run_config(self.settings.bundle_root, names, self.training_overrides())
        except Exception as error:
            known = find_input_error(error)
            if known is None:
                raise
            raise InputError(
                f"{input_error_message(known)} (in a pipeline such values stand in `training` or the stage's "
                "`settings`; it resumes by itself, and changed values take --on_change redo)"
            ) from error
        on_first(partial(self.work.exclude, by_name(unscored, self.cohort.validation)))

    def score(self) -> None:
        """Score the final weights on the test cases, once: nothing is decided by them."""
        if on_first(self.folder.test_scores.exists):
            return
        overrides = {
            **{key: value for key, value in self.own_settings().items() if key in SCORING},
            **self.settings.runtime,
            **self.settings.tracking,
            "run_name": f"of {self.name} (test cases)",
            "data_name": f"{self.cohort.name}: {self.name}, test cases",
            "output_dir": str(self.folder.test),
            "ckpt_dir": str(self.folder.models),
            "cache_dir": str(self.folder.cache),
            "validate_data": False,
            "validate#dataset#data": f"$datalist.read_case_list({quoted(self.folder.test_list)})",
        }
        parallel = ["multi_gpu_train"] if together() else []
        names = [*self.settings.training_configs(self.stage), *parallel, "evaluate"]
        unscored = run_config(self.settings.bundle_root, names, overrides)
        on_first(partial(self.work.exclude, by_name(unscored, self.cohort.test)))

    def training_overrides(self) -> dict[str, Any]:
        """Ids of train.yaml for this stage."""
        folder = self.folder
        return {
            # the cohort's statistics, where the plan normalises CT and has none of its own
            **({"intensity": read_json(self.work.intensity, None)} if self.measures_intensity() else {}),
            **self.own_settings(),
            **self.settings.runtime,
            "data_name": f"{self.cohort.name}, validation cases",
            "run_name": self.stage.name,
            "unannotated": self.stage.unannotated,
            "class_names": list(self.cohort.classes),  # as they are spelt there
            **self.settings.tracking,
            "output_dir": str(folder.output),
            "ckpt_dir": str(folder.models),
            "cache_dir": str(folder.cache),
            "training_scans": read_json(self.work.scans, {}),
            "initial_weights": str(self.work.stage(self.stage.start_from).model) if self.stage.start_from else "",
            "resume": True,
            "validate_data": False,
            "train#dataset#data": f"$datalist.read_case_list({quoted(folder.case_list)})",
            "validate#dataset#data": f"$datalist.read_case_list({quoted(folder.validation_list)})",
        }

    def own_settings(self) -> dict[str, Any]:
        """Values of train.yaml's first block: those of all stages, and this one's."""
        return {**self.settings.training, **self.stage.settings}

    def measures_intensity(self) -> bool:
        """Whether the plan normalises by statistics that it does not have."""
        plan = self.settings.plan(self.stage)
        return bool(plan["normalisation"] == "ct" and plan["intensity"] is None)

    def write_case_lists(self) -> None:
        """The lists the training reads; once begun, it goes on with them."""
        self.work.exclude(self.never_merged())
        if self.folder.validation_list.exists():  # written last
            return
        annotated = self.annotated()
        background = set(range(1, self.cohort.num_classes)).difference(*annotated.values())  # which no case knows
        if self.stage.unannotated == BACKGROUND:
            background = set()  # is meant for every class anyway
        entries = []
        for one in self.planned.training:
            if one.case.name in annotated:
                merged = one.filled_by and str(self.work.stage(one.filled_by).merged(one.case.name))
                ids = sorted({*annotated[one.case.name], *background})
                entries.append({"image": one.case.image, "label": merged or one.case.label, "annotated": ids})
        if not entries:
            raise InputError(f"every case is excluded, or all of its classes held back, see {self.work.excluded_file}")
        write_case_list(self.folder.case_list, entries)
        write_json(self.folder.learnt, self.cohort.class_names(sorted(set().union(*annotated.values()))))
        test = [case_entry(case) for case in self.work.usable(self.cohort.test)]
        write_case_list(self.folder.test_list, test)
        validation = [case_entry(case) for case in self.work.usable(self.cohort.validation)]
        write_case_list(self.folder.validation_list, validation)

    def annotated(self) -> dict[str, set[int]]:
        """Name -> classes annotated or filled, of each usable case to train on that has any."""
        held_back: dict[str, dict[str, Any]] = {}  # by stage: name of a case -> classes
        found = {}
        usable = {case.name for case in self.work.usable([one.case for one in self.planned.training])}
        for one in self.planned.training:
            if one.filled_by and one.filled_by not in held_back:
                groups = read_json(self.work.stage(one.filled_by).held_back, {}).values()
                held_back[one.filled_by] = {name: classes for group in groups for name, classes in group.items()}
            out = held_back[one.filled_by].get(one.case.name, ()) if one.filled_by else ()
            ids = set(one.annotated) - set(self.cohort.class_ids(list(out)))
            if one.case.name in usable and ids:
                found[one.case.name] = ids
        bare = len(usable) - len(found)
        if bare:
            logger.info("%s: not trained on: %d cases in which every class is held back", self.name, bare)
        return found

    def never_merged(self) -> dict[str, str]:
        """Name -> reason of the cases that an earlier stage left out, where the list of those was lost."""
        excluded = self.work.excluded()
        return {
            one.case.name: f"{one.case.image}: stage {one.filled_by} left it without a label"
            for one in self.planned.training
            if one.filled_by and one.case.name not in excluded
            if not is_finished(self.work.stage(one.filled_by).merged(one.case.name))
        }

    def result(self) -> dict[str, Any]:
        """What was labelled, trained and scored."""
        models, held_back = self.models(), read_json(self.folder.held_back, {})
        fills = [
            {
                **{"group": fill.group, "model_stage": fill.model_stage, "model_sha256": models[fill.group]},
                **{"classes": list(self.cohort.class_names(fill.classes)), "cases": len(self.work.usable(fill.cases))},
                "seconds": self.labelling_seconds(fill),
                "held_back": held_back_lines(
                    fill, self.work.usable(fill.cases), self.cohort, held_back.get(fill.group, {})
                ),
            }
            for fill in self.planned.fills
        ]
        return {
            "fill": fills,
            "suspicious": read_json(self.folder.review / "counts.json", {}).get("cases", 0),
            "labelled_cases": len(read_json(self.folder.case_list, [])),
            "epochs": read_plan(self.folder.models / PLAN_FILE)["training"].get("epoch"),
            "learnt": read_json(self.folder.learnt, list(self.cohort.classes)),
            "model_sha256": sha256(self.folder.model),
            "training_seconds": training_seconds(self.folder.output / "log.csv"),
            "scores": scores_of(read_json(self.folder.scores, {})),
            "test_scores": scores_of(read_json(self.folder.test_scores, {})),
        }

    def labelling_seconds(self, fill: Fill) -> float:
        """The seconds that the network spent on a group's cases, from the records next to their labels."""
        records = [record_of(self.folder.pseudo_label(fill.group, case.name)) for case in self.work.usable(fill.cases)]
        return round(sum(float(read_json(record, {}).get("seconds", 0)) for record in records), 1)

    def clean(self) -> None:
        """Delete the prepared cases, unless they are to be kept."""
        if not self.settings.keep_cache:
            super().clean()

    def description(self) -> dict[str, Any]:
        """What the record says of the stage from the start."""
        return {
            "train": list(self.stage.train),
            "cases": {group: len(self.work.usable(self.groups[group])) for group in self.stage.train},
            "filled_by": self.filled_groups(),
            "plan": self.settings.plan(self.stage)["name"],
            "overlays": [*self.settings.overlays, *self.stage.overlays],
            "unannotated": self.stage.unannotated,
            "control": self.stage.control,
            "epochs": self.own_settings().get("epochs"),
            "excluded": len(self.work.excluded()),
        }

    def filled_groups(self) -> dict[str, str]:
        """Group -> the stage whose merged labels this stage trains on."""
        stage_of = {one.case.name: one.filled_by for one in self.planned.training if one.filled_by}
        found = {group: {stage_of.get(case.name) for case in self.groups[group]} - {None} for group in self.stage.train}
        return {group: str(stages.pop()) for group, stages in found.items() if stages}


def copy_label(source: Path, target: Path) -> None:
    """Copy a finished label map and its record, which makes it finished, unless the target is so already."""
    if is_finished(source) and not is_finished(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for file, copy in ((source, target), (record_of(source), record_of(target))):
            with replacing(copy) as temporary:
                shutil.copyfile(file, temporary)


def by_name(reasons: Mapping[str, str], cases: Sequence[CohortCase]) -> dict[str, str]:
    """Image -> reason, by the names of the cases."""
    return {case.name: reasons[case.image] for case in cases if case.image in reasons}


def without_plan(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without the plan's name or path: what counts is its content."""
    return {key: value for key, value in settings.items() if key != "plan"}


def model_stages(planned: PlannedStage) -> list[str]:
    """The earlier stages whose models, merged labels or weights a stage uses."""
    models = [fill.model_stage for fill in planned.fills]
    models += [planned.stage.agree_with] if planned.stage.agree_with else []
    labels = [one.filled_by for one in planned.training if one.filled_by and one.filled_by != planned.stage.name]
    return list(dict.fromkeys([*models, *labels, *([planned.stage.start_from] if planned.stage.start_from else [])]))
