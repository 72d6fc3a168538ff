"""One stage of a recipe: have groups labelled by earlier models, merge, train, score, record."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from ..cohort.manifest import Cohort, CohortCase, case_entry
from ..datalist.class_names import checked_class_names, same_names
from ..errors import InputError, find_input_error, input_error_message
from ..io.atomic_write import write_json
from ..io.checksums import sha256
from ..io.json_file import read_json
from ..losses.partial_label import BACKGROUND
from ..options.gate import quoted
from ..plans import PLAN_FILE, read_plan
from ..processes import on_first, together
from .bundle_run import config_checksums, run_config
from .judge_pseudo_labels import held_back_lines, judge_group
from .pipeline_settings import PipelineSettings
from .pseudo_labelling import by_name, merge_group
from .recipe import MERGE_KEYS, PlannedStage
from .record import scores_of, training_seconds
from .review_pseudo_labels import annotated_classes, review_stage
from .run import Run
from .stage_labelling import StageLabelling
from .work_folder import StageFolder, WorkFolder, is_finished

logger = logging.getLogger(__name__)

SCORING = ("windows", "min_foreground_voxels", "return_grid", "drop_last_slice")  # of validation and test cases alike


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
        self.cohort = cohort
        self.groups = groups
        self.work = work
        self.settings = settings
        self.checksums = checksums
        self.name = self.stage.name
        self.needs = model_stages(planned)
        self.labelling = StageLabelling(planned, recipe, work, settings)
        self.shares = tuple(self.labelling.labelled_alike())
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
        models = self.labelling.run()
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

    def parts(self) -> list[str]:
        """Chunks of cases of which some have no label yet."""
        return self.labelling.parts()

    def is_part_done(self, part: str) -> bool:
        """Whether every usable case of a chunk has its label."""
        return self.labelling.is_part_done(part)

    def execute_part(self, part: str) -> None:
        """Label a chunk."""
        self.labelling.execute_part(part)

    def judge(self) -> None:
        """Decide, once, which classes stay unannotated in which case."""
        if self.folder.held_back.exists():
            return
        if self.stage.min_dice and not self.cohort.validation:
            logger.warning("stage %s: min_dice judges by validation cases, of which there are none", self.name)
        second_model = self.work.stage(self.stage.agree_with) if self.stage.agree_with else None
        found = {
            fill.group: judge_group(
                *(self.stage, fill, self.work.usable(fill.cases), self.cohort),
                *(self.folder, self.work.stage(fill.model_stage), second_model),
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
        write_json(self.folder.case_list, entries)
        write_json(self.folder.learnt, self.cohort.class_names(sorted(set().union(*annotated.values()))))
        test = [case_entry(case) for case in self.work.usable(self.cohort.test)]
        write_json(self.folder.test_list, test)
        validation = [case_entry(case) for case in self.work.usable(self.cohort.validation)]
        write_json(self.folder.validation_list, validation)

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
        models, held_back = self.labelling.models(), read_json(self.folder.held_back, {})
        fills = [
            {
                **{"group": fill.group, "model_stage": fill.model_stage, "model_sha256": models[fill.group]},
                **{"classes": list(self.cohort.class_names(fill.classes)), "cases": len(self.work.usable(fill.cases))},
                "seconds": self.labelling.seconds(fill),
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


def without_plan(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without the plan's name or path: what counts is its content."""
    return {key: value for key, value in settings.items() if key != "plan"}


def model_stages(planned: PlannedStage) -> list[str]:
    """The earlier stages whose models, merged labels or weights a stage uses."""
    models = [fill.model_stage for fill in planned.fills]
    models += [planned.stage.agree_with] if planned.stage.agree_with else []
    labels = [one.filled_by for one in planned.training if one.filled_by and one.filled_by != planned.stage.name]
    return list(dict.fromkeys([*models, *labels, *([planned.stage.start_from] if planned.stage.start_from else [])]))
