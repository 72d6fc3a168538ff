"""The pseudo-label recipe: stages of labelling, merging and training that end in one network (FLARE23)."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.utils import path_to_sqlite_uri

from ..cohort.manifest import case_entry, default_group_rules, group_cases, read_cohort
from ..errors import InputError
from ..fingerprint.foreground_intensity import foreground_intensity
from ..io.atomic_write import write_json
from ..io.checksums import file_checksums, sha256
from ..io.needed_package import needed_package
from ..options import is_on
from ..processes import is_first, on_first
from ..reports.pipeline_report import write_pipeline_report
from ..reports.status_table import status_table
from .case_check import unusable_cases
from .disk_trouble import telling_disk_trouble
from .recipe import PlannedStage, describe_plan, parse_recipe, plan_stages, select_stages
from .run_lock import is_in_use, run_lock
from .stage_inputs import changes, config_checksums, shortened, stage_inputs
from .stage_run import PipelineSettings, StageRun, model_stages
from .work_folder import WorkFolder, read_json

logger = logging.getLogger(__name__)

REFUSE, REDO = "refuse", "redo"


class PseudoLabelPipeline:
    """Run the stages of a recipe in a work folder; what is finished there is kept, so that any run goes on.

    Args:
        cohort: manifest of the cases, see `custom.cohort.manifest`.
        work_dir: where everything is written.
        recipe: the stages, see `custom.workflows.recipe.Stage`.
        bundle_root: folder of the bundle whose train.yaml and inference.yaml the stages run.
        groups: name -> rule of the groups that stages name, see `custom.cohort.manifest.group_cases`; None: the paper's
            dataset1 to dataset4.
        overlays: configs laid over train.yaml and inference.yaml in every stage.
        training: values of train.yaml's first block for every stage, e.g. {"epochs": 1000}.
        inference: values of inference.yaml's first block for every prediction.
        machine: values of either first block that leave the result as it is, e.g. {"num_workers": 4}.
        stages: "all", or names or numbers of the stages to run.
        until: the last stage to run, by name or number.
        dry_run: print the plan only.
        status: print what is done only.
        on_change: "refuse" to go on where settings or data of begun stages changed, or "redo" these stages.
        keep_cache: keep the prepared cases of finished stages.
        window: intensities that the contact sheet shows black and white; None: each slice's own.
        tracking: record the trainings and predictions of the stages with MLflow.
        tracking_uri: the store they are recorded in; empty: mlruns.db in the work folder.
    """

    def __init__(
        self,
        cohort: str | Path,
        work_dir: str | Path,
        recipe: Sequence[Mapping[str, Any]],
        bundle_root: str | Path = ".",
        groups: Mapping[str, Mapping[str, Any]] | None = None,
        overlays: Sequence[str] = (),
        training: Mapping[str, Any] | None = None,
        inference: Mapping[str, Any] | None = None,
        machine: Mapping[str, Any] | None = None,
        stages: str | int | Sequence[str | int] = "all",
        until: str | int = "",
        dry_run: bool | str = False,
        status: bool | str = False,
        on_change: str = REFUSE,
        keep_cache: bool | str = False,
        window: Sequence[float] | None = (-160, 240),
        tracking: bool = False,
        tracking_uri: str = "",
    ) -> None:
        if on_change not in (REFUSE, REDO):
            raise InputError(f"on_change is {on_change!r}; pass {REFUSE} or {REDO}")
        self.manifest = cohort
        self.work = WorkFolder(work_dir)
        self.settings = PipelineSettings(
            bundle_root=Path(bundle_root).absolute(),
            overlays=tuple(overlays),
            training=dict(training or {}),
            inference=dict(inference or {}),
            machine=dict(machine or {}),
            keep_cache=is_on(keep_cache),
            window=None if window is None else (float(window[0]), float(window[1])),
            tracking=tracking_options(self.work, tracking_uri) if tracking and is_first() else {},
        )
        self.dry_run = is_on(dry_run)
        self.status = is_on(status)
        self.on_change = on_change
        self.cohort = read_cohort(cohort)
        self.groups = group_cases(self.cohort.training, groups or default_group_rules(self.cohort), self.cohort)
        self.planned = plan_stages(parse_recipe(recipe, list(self.groups)), self.groups)
        self.selected = select_stages(self.planned, stages, until)
        self._known_settings: dict[tuple[str, ...], set[str]] = {}
        for one in self.planned:  # a wrong name is told before hours of work
            self.config_checksums(one)
            self.refuse_unknown_settings(one)

    def run(self) -> None:
        """Do what is left of the selected stages, or print the plan or the state.

        Raises:
            InputError: one line on what cannot go on and the remedy; everything finished is kept.
        """
        if self.dry_run or self.status:
            if is_first():
                (self.print_plan if self.dry_run else self.print_status)()
        elif is_first():
            with run_lock(self.work.path):
                self.run_stages()
        else:
            self.run_stages()

    def print_plan(self) -> None:
        """Log what each selected stage would label and train on."""
        counts = ", ".join(f"{name} {len(cases)}" for name, cases in self.groups.items())
        head = f"{self.cohort.name}: {counts}, validation {len(self.cohort.validation)} cases"
        plan = describe_plan(self.planned, self.cohort, self.selected)
        logger.info("%s", "\n".join(["plan (nothing is run)", head, *plan]))

    def print_status(self) -> None:
        """Log the state of every stage; a record still says "running" where its run was killed."""
        records = self.records()
        if not is_in_use(self.work.path):
            for record in records:
                if record["state"] == "running":
                    record["state"] = "interrupted"
        logger.info("%s", "\n" + status_table(records))
        aside = self.work.set_aside()
        if aside:
            logger.info("%d cases set aside: %s", len(aside), self.work.set_aside_file)

    def run_stages(self) -> None:
        """Check everything, then do stage after stage."""
        with telling_disk_trouble():
            on_first(self.prepare)
            worked = False
            for planned in self.selected:
                stage = StageRun(planned, self.planned, self.cohort, self.groups, self.work, self.settings)
                if stage.run(self.inputs):
                    worked = True
                    on_first(self.report)
            if not worked:
                on_first(self.report)

    def prepare(self) -> None:
        """Compare with earlier runs, set unusable cases aside, measure the foreground."""
        if not self.cohort.validation:
            logger.warning("%s lists no validation cases: the stages will have no scores", self.manifest)
        self.work.remove_leftovers()
        self.compare_with_earlier_runs()
        unusable = unusable_cases(self.cohort, self.work.case_facts)
        self.set_aside(unusable)
        self.measure_foreground(unusable)

    def set_aside(self, unusable: Mapping[str, str]) -> None:
        """Leave out what cannot be used; what begun stages went without stays out, other cases are judged anew."""
        begun = self.begun_cases()
        kept = {name: reason for name, reason in self.work.set_aside().items() if name in begun}
        self.work.replace_set_aside({**unusable, **kept})
        for name, reason in self.work.set_aside().items():
            logger.warning("set aside: %s: %s", name, reason)

    def measure_foreground(self, unusable: Mapping[str, str]) -> None:
        """The statistics that scans are normalised with, once for the same annotated cases.

        A case that could not be labelled counts too: whether it failed before or after must make no difference.
        """
        cases = [case for case in self.cohort.training if case.label is not None and case.name not in unusable]
        source = digest({case.name: [self.checksums[case.image], self.checksums[str(case.label)]] for case in cases})
        if not self.work.intensity.exists() or read_json(self.work.intensity_source, None) != source:
            self.work.intensity.unlink(missing_ok=True)
            write_json(self.work.intensity_source, source)
            foreground_intensity([case_entry(case) for case in cases], self.work.intensity)

    def begun_cases(self) -> set[str]:
        """The names of the cases that begun stages work on."""
        begun = [read_json(self.work.stage(planned.stage.name).inputs, {}) for planned in self.planned]
        return {name for inputs in begun for kind in ("cases", "validation") for name in inputs.get(kind, {})}

    def compare_with_earlier_runs(self) -> None:
        """Refuse, or redo, begun stages whose settings or data are others now, and all that follow from them."""
        changed: dict[str, list[str]] = {}
        for planned in self.planned:
            before = read_json(self.work.stage(planned.stage.name).inputs, None)
            found = [] if before is None else changes(before, self.inputs(planned))
            if found:
                changed[planned.stage.name] = found
        if not changed:
            return
        first = next(iter(changed))
        what = f"stage {first} was begun with other settings or data: {shortened(changed[first])}"
        names = ", ".join(changed)
        if self.on_change == REFUSE:
            raise InputError(
                f"{what}. That would redo {names}: pass --on_change redo (their folders move to "
                f"{self.work.path / 'replaced'}), undo the change, or pass another --work_dir"
            )
        logger.warning("%s; redone: %s", what, names)
        # in this order a kill at any moment leaves the first changed stage in place, so that the change is seen again
        self.work.replace(list(reversed(changed)))

    def inputs(self, planned: PlannedStage) -> dict[str, Any]:
        """What the result of a stage follows from."""
        own = stage_inputs(
            planned,
            self.cohort,
            self.cohort.validation,
            {"training": self.settings.training, "inference": self.settings.inference},
            self.config_checksums(planned),
            self.checksums,
        )
        earlier = {one.stage.name: one for one in self.planned}
        return {**own, "follows": {name: digest(self.inputs(earlier[name])) for name in model_stages(planned)}}

    @cached_property
    def checksums(self) -> dict[str, str]:
        """File -> check sum of every file of the cohort, as it is when the run first asks."""
        files = [file for case in self.cohort.cases for file in (case.image, case.label) if file]
        return file_checksums(files, self.work.checksums, description="check sums")

    def config_checksums(self, planned: PlannedStage) -> dict[str, str]:
        """Name -> check sum of the configs that a stage's training and predictions with its model use."""
        names = [name for base in ("train", "inference") for name in self.settings.configs(base, planned.stage)]
        return config_checksums(self.settings.bundle_root, list(dict.fromkeys(names)), sha256)

    def refuse_unknown_settings(self, planned: PlannedStage) -> None:
        """Refuse a setting that no config of a stage has: it would change nothing, silently."""
        settings, stage = self.settings, planned.stage
        known: set[str] = set()
        for base in ("train", "inference"):
            known |= self.known_settings(tuple(settings.configs(base, stage)))
        for values in (settings.training, settings.inference, settings.machine, stage.settings, stage.inference):
            for key in values:
                if key.split("#")[0] not in known:
                    raise InputError(f"stage {stage.name}: no config has a setting {key!r}; correct its name")

    def known_settings(self, names: tuple[str, ...]) -> set[str]:
        """The settings of some configs laid over one another; read once, which takes half a second."""
        if names not in self._known_settings:
            files = [str(self.settings.bundle_root / "configs" / f"{name}.yaml") for name in names]
            self._known_settings[names] = set(ConfigParser.load_config_files(files))
        return self._known_settings[names]

    def records(self) -> list[dict[str, Any]]:
        """The record of every stage of the recipe."""
        return self.work.records([one.stage.name for one in self.planned])

    def report(self) -> None:
        """Write report.md and report.png and log the table."""
        records = self.records()
        counts = ", ".join(f"{name} {len(cases)}" for name, cases in self.groups.items())
        write_pipeline_report(
            self.work.path / "report.md",
            self.work.path / "report.png",
            records,
            set_aside=self.work.set_aside(),
            title=self.cohort.name,
            data=f"{self.cohort.name}: {counts}; {len(self.cohort.validation)} validation cases",
        )
        logger.info("%s", "\n" + status_table(records))


def tracking_options(work: WorkFolder, uri: str) -> dict[str, Any]:
    """What makes the runs of a stage record themselves in one store: further options of `run_config`.

    Raises:
        InputError: mlflow is not installed, which a stage would tell after hours of work.
    """
    needed_package("mlflow", "mlflow", "--tracking mlflow")
    return {"tracking": "mlflow", "tracking_uri": uri or path_to_sqlite_uri(work.path / "mlruns.db")}


def digest(inputs: Mapping[str, Any]) -> str:
    """Short check sum of what a stage's result follows from."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
