"""One stage of a recipe: label groups with earlier models, merge, train, record."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ..cohort.manifest import Cohort, CohortCase, case_entry
from ..datalist.case_list import write_case_list
from ..engines.training_log import SECONDS, read_rows
from ..errors import InputError, find_input_error, input_error_message
from ..io.atomic_write import write_json
from ..io.checksums import sha256
from ..processes import on_first, rank, together
from ..reports.stage_records import DONE
from .bundle_run import run_config
from .labelling import merge_group, predict_cases, prediction_overrides
from .recipe import Fill, PlannedStage, Stage
from .reviewing import annotated_classes, review_stage
from .work_folder import WorkFolder, is_finished, read_json, record_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PipelineSettings:
    """What all stages share; see `PseudoLabelPipeline`.

    `tracking`: what makes their runs record themselves, nothing where they do not.
    """

    bundle_root: Path
    overlays: tuple[str, ...]
    training: Mapping[str, Any]
    inference: Mapping[str, Any]
    machine: Mapping[str, Any]
    keep_cache: bool
    window: tuple[float, float] | None
    tracking: Mapping[str, Any] = field(default_factory=dict)

    def configs(self, base: str, stage: Stage) -> list[str]:
        """The configs a stage lays over train.yaml or inference.yaml."""
        return [base, *self.overlays, *stage.overlays]


class StageRun:
    """Do what is left of a stage; every step leaves files that tell it is done.

    Args:
        planned: the stage.
        recipe: all stages.
        cohort, groups: the cases.
        work: where everything is written.
        settings: what all stages share.
    """

    def __init__(
        self,
        planned: PlannedStage,
        recipe: Sequence[PlannedStage],
        cohort: Cohort,
        groups: Mapping[str, Sequence[CohortCase]],
        work: WorkFolder,
        settings: PipelineSettings,
    ) -> None:
        self.planned = planned
        self.stage = planned.stage
        self.recipe = {one.stage.name: one for one in recipe}
        self.cohort = cohort
        self.groups = groups
        self.work = work
        self.settings = settings
        self.folder = work.stage(planned.stage.name)

    def run(self, inputs: Callable[[PlannedStage], dict[str, Any]]) -> bool:
        """Label, review, merge, train and record; each step does only what is not there yet.

        Args:
            inputs: what the stage's result follows from, kept before anything else of it is written.

        Returns:
            Whether anything was left to do.
        """
        if on_first(self.is_done):
            on_first(self.drop_cache)
            return False
        on_first(partial(self.begin, inputs))
        models = {fill.group: on_first(partial(self.model_checksum, fill)) for fill in self.planned.fills}
        for fill in self.planned.fills:
            self.label(fill, models[fill.group])
        if self.planned.fills:
            on_first(self.review)
        for fill in self.planned.fills:
            failed = merge_group(
                self.planned, fill, self.work.usable(fill.cases), self.cohort, self.folder, models[fill.group]
            )
            on_first(partial(self.work.add_set_aside, failed))
        self.train()
        on_first(partial(self.finish, models))
        on_first(self.drop_cache)
        return True

    def is_done(self) -> bool:
        """Whether nothing of the stage is left."""
        return read_json(self.folder.record, {}).get("state") == DONE

    def begin(self, inputs: Callable[[PlannedStage], dict[str, Any]]) -> None:
        """Write what the stage depends on, before anything else of it."""
        logger.info("stage %s", self.stage.name)
        for source in model_stages(self.planned):
            if read_json(self.work.stage(source).record, {}).get("state") != DONE:
                raise InputError(
                    f"stage {self.stage.name} needs stage {source}, which is not done: "
                    f"run that one first (--stages {source}, or all)"
                )
        if not self.folder.inputs.exists():
            write_json(self.folder.inputs, inputs(self.planned))
        known = read_json(self.folder.record, {"begun": now()})
        write_json(self.folder.record, {**known, **self.description(), "state": "running"})

    def model_checksum(self, fill: Fill) -> str:
        """The check sum of the weights that label a group.

        Raises:
            InputError: they are not those that the stage's training left.
        """
        model = self.work.stage(fill.model_stage)
        found, recorded = sha256(model.model), read_json(model.record, {}).get("model_sha256")
        if recorded is not None and found != recorded:
            raise InputError(
                f"{model.model} has the check sum {found[:8]}, stage {fill.model_stage} ended with {recorded[:8]}: "
                "restore it, or remove that stage's record.json to train it again"
            )
        return found

    def label(self, fill: Fill, checksum: str) -> None:
        """Label a group with an earlier model."""
        failed = predict_cases(
            self.work.usable(fill.cases),
            partial(self.pseudo_label, fill.group),
            partial(self.predict, fill, checksum),
        )
        on_first(partial(self.work.add_set_aside, failed))

    def pseudo_label(self, group: str, case: CohortCase) -> Path:
        """Where the prediction for a case goes."""
        return self.folder.pseudo_label(group, case.name)

    def predict(self, fill: Fill, checksum: str, cases: Sequence[CohortCase]) -> None:
        """Run inference.yaml on some cases with the model of an earlier stage."""
        source = self.recipe[fill.model_stage].stage
        case_list = self.folder.path / "pseudo_labels" / f"{fill.group}_process{rank()}.json"
        write_case_list(case_list, [{"image": case.image} for case in cases])
        facts = {"stage": self.stage.name, "model": {"stage": source.name, "sha256": checksum}}
        overrides = {
            **self.settings.training,  # the spacing, the network
            **source.settings,
            **self.settings.inference,
            **source.inference,
            **self.settings.machine,
            "class_names": list(self.cohort.classes),
            "run_name": f"of {fill.group} with {source.name}",
            "confidence": self.stage.confidence > 0,
            **self.settings.tracking,
            "save_execute_config": False,  # of tracking: JSON has no way to write the formatters below
            **prediction_overrides(
                case_list, cases, self.folder.pseudo_labels(fill.group), self.work.stage(source.name), facts
            ),
        }
        run_config(self.settings.bundle_root, self.settings.configs("inference", source), overrides)

    def review(self) -> None:
        """Write the table and the pictures of suspicious pseudo-labels, once."""
        counts_file = self.folder.review / "counts.json"
        if counts_file.exists():
            return
        distribution = annotated_classes(self.cohort, self.work.usable(self.cohort.training))
        fills = [(fill, self.work.usable(fill.cases)) for fill in self.planned.fills]
        write_json(counts_file, review_stage(self.folder, fills, self.cohort, distribution, self.settings.window))

    def train(self) -> None:
        """Run train.yaml from its last checkpoint on, which is nothing once the last epoch is done."""
        on_first(self.write_case_lists)
        names = [*self.settings.configs("train", self.stage), *(["multi_gpu_train"] if together() else [])]
        try:
            run_config(self.settings.bundle_root, names, self.training_overrides())
        except Exception as error:
            known = find_input_error(error)
            if known is None:
                raise
            raise InputError(
                f"stage {self.stage.name}: {input_error_message(known)} (in a pipeline such values stand in `training` "
                "or the stage's `settings`; it resumes by itself, and changed values take --on_change redo)"
            ) from error

    def training_overrides(self) -> dict[str, Any]:
        """Ids of train.yaml for this stage."""
        folder = self.folder
        return {
            **self.settings.training,
            **self.stage.settings,
            **self.settings.machine,
            "class_names": list(self.cohort.classes),
            "data_name": f"{self.cohort.name}, validation cases",
            "run_name": self.stage.name,
            "unannotated": self.stage.unannotated,
            **self.settings.tracking,
            "output_dir": str(folder.output),
            "ckpt_dir": str(folder.models),
            "cache_dir": str(folder.cache),
            "intensity_file": str(folder.models / "intensity.json"),
            "initial_weights": str(self.work.stage(self.stage.start_from).model) if self.stage.start_from else "",
            "resume": True,
            "validate_data": False,
            "train#dataset#data": f"$datalist.read_case_list({str(folder.case_list)!r})",
            "validate#dataset#data": f"$datalist.read_case_list({str(folder.validation_list)!r})",
        }

    def write_case_lists(self) -> None:
        """The lists the training reads, and the statistics it normalises with; once begun, it goes on with them."""
        self.work.add_set_aside(self.never_merged())
        if (self.folder.models / "intensity.json").exists():  # written last
            return
        kept = {case.name for case in self.work.usable([one.case for one in self.planned.training])}
        entries = []
        for one in self.planned.training:
            if one.case.name in kept:
                merged = one.filled_by and str(self.work.stage(one.filled_by).merged(one.case.name))
                label = merged or one.case.label
                entries.append({"image": one.case.image, "label": label, "annotated": list(one.annotated)})
        if not entries:
            raise InputError(f"stage {self.stage.name}: every case is set aside, see {self.work.set_aside_file}")
        write_case_list(self.folder.case_list, entries)
        validation = [case_entry(case) for case in self.work.usable(self.cohort.validation)]
        write_case_list(self.folder.validation_list, validation)
        write_json(self.folder.models / "intensity.json", read_json(self.work.intensity, None))

    def never_merged(self) -> dict[str, str]:
        """Name -> reason of the cases that an earlier stage left out, where the list of those was begun anew."""
        aside = self.work.set_aside()
        found = {}
        for one in self.planned.training:
            if one.filled_by and one.case.name not in aside:
                merged = self.work.stage(one.filled_by).merged(one.case.name)
                if not is_finished(merged):
                    found[one.case.name] = f"{one.case.image}: stage {one.filled_by} left it without a label"
        return found

    def finish(self, models: Mapping[str, str]) -> None:
        """Write the record of the stage, which is then done."""
        record = read_json(self.folder.record, {})
        scores = read_json(self.folder.scores, {})
        counts = read_json(self.folder.review / "counts.json", {})
        fills = [
            {
                "group": fill.group,
                "model_stage": fill.model_stage,
                "model_sha256": models[fill.group],
                "classes": list(self.cohort.class_names(fill.classes)),
                "cases": len(self.work.usable(fill.cases)),
                "seconds": self.labelling_seconds(fill),
            }
            for fill in self.planned.fills
        ]
        record |= {
            **self.description(),
            "state": DONE,
            "fill": fills,
            "suspicious": counts.get("cases", 0),
            "labelled_cases": len(read_json(self.folder.case_list, [])),
            "epochs": read_json(self.folder.models / "training.json", {}).get("epoch"),
            "model_sha256": sha256(self.folder.model),
            "training_seconds": training_seconds(self.folder.output / "log.csv"),
            "scores": scores_of(scores),
            "finished": now(),
        }
        write_json(self.folder.record, record)

    def labelling_seconds(self, fill: Fill) -> float:
        """The seconds that the network spent on a group's cases, from the records beside their labels."""
        records = [record_of(self.pseudo_label(fill.group, case)) for case in self.work.usable(fill.cases)]
        return round(sum(float(read_json(record, {}).get("seconds", 0)) for record in records), 1)

    def drop_cache(self) -> None:
        """Delete the prepared cases of a finished stage, also where a kill came between its record and this."""
        if not self.settings.keep_cache:
            shutil.rmtree(self.folder.cache, ignore_errors=True)

    def description(self) -> dict[str, Any]:
        """What the record says of the stage from the start."""
        return {
            "stage": self.stage.name,
            "train": list(self.stage.train),
            "cases": {group: len(self.work.usable(self.groups[group])) for group in self.stage.train},
            "filled_by": self.filled_groups(),
            "overlays": [*self.settings.overlays, *self.stage.overlays],
            "unannotated": self.stage.unannotated,
            "control": self.stage.control,
            "epochs": {**self.settings.training, **self.stage.settings}.get("epochs"),
            "set_aside": len(self.work.set_aside()),
        }

    def filled_groups(self) -> dict[str, str]:
        """Group -> the stage whose merged labels this stage trains on."""
        stage_of = {one.case.name: one.filled_by for one in self.planned.training if one.filled_by}
        groups = {}
        for group in self.stage.train:
            found = [stage_of[case.name] for case in self.groups[group] if case.name in stage_of]
            if found:
                groups[group] = found[0]
        return groups


def model_stages(planned: PlannedStage) -> list[str]:
    """The earlier stages whose models, merged labels or weights a stage uses."""
    models = [fill.model_stage for fill in planned.fills]
    labels = [one.filled_by for one in planned.training if one.filled_by and one.filled_by != planned.stage.name]
    return list(dict.fromkeys([*models, *labels, *([planned.stage.start_from] if planned.stage.start_from else [])]))


def training_seconds(log_file: Path) -> float:
    """The seconds spent in training steps, from the log."""
    rows = read_rows(log_file) if log_file.exists() else []
    return round(sum(float(row.get(SECONDS, 0)) for row in rows), 1)


def scores_of(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name -> mean dice, nsd, their deviations and the number of cases, from metrics.json.

    Of the groups of classes where there are any, else of the classes and their mean.
    """
    summary = metrics.get("summary", {})
    chosen = {name: summary[name] for name in metrics.get("groups", {}) if name in summary} or summary
    keys = {"dice": "dice_mean", "dice_sd": "dice_sd", "nsd": "nsd_mean", "nsd_sd": "nsd_sd", "cases": "cases"}
    return {name: {key: row.get(source) for key, source in keys.items()} for name, row in chosen.items()}


def now() -> str:
    """The time for a record."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
