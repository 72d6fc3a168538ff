"""The pseudo-label recipe: stages of labelling, merging and training that end in one network (FLARE23)."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..cohort.manifest import case_entry, default_group_rules, group_cases, read_cohort
from ..data.training_intensity import measured_intensity
from ..data.training_scans import measured_scans
from ..datalist.left_out import closing_line
from ..errors import InputError
from ..io.atomic_write import write_json, write_text
from ..io.checksums import file_checksums
from ..io.json_file import read_json
from ..io.optional_package import needed_package
from ..processes import is_first
from ..reports.page import write_report_or_warn
from ..reports.page.results import RECIPE_FILE
from ..reports.stage_records import DONE
from ..reports.status_table import status_page, status_table
from .case_check import unusable_cases
from .chain import Chain
from .changes import digest
from .pipeline_settings import PipelineSettings
from .recipe import describe_plan, parse_recipe, plan_stages
from .recipe_tables import write_recipe_tables
from .runtime import refuse_results
from .stage_run import StageRun
from .work_folder import WorkFolder

logger = logging.getLogger(__name__)


class PseudoLabelPipeline(Chain):
    """Run the stages of a recipe in a work folder; what is finished there is kept, so that any run goes on.

    The arguments are the options of configs/pipeline.yaml, whose comments explain them; `groups` are by default the
    paper's dataset1 to dataset4.
    """

    noun, option = "stage", "--stages"

    def __init__(
        self,
        cohort: str | Path,
        work_dir: str | Path,
        recipe: Sequence[Mapping[str, Any]],
        bundle_root: str | Path = ".",
        groups: Mapping[str, Mapping[str, Any]] | None = None,
        defaults: Mapping[str, Any] | None = None,
        overlays: Sequence[str] = (),
        training: Mapping[str, Any] | None = None,
        inference: Mapping[str, Any] | None = None,
        runtime: Mapping[str, Any] | None = None,
        plan: str = "",
        stages: str | int | Sequence[str | int] = "all",
        keep_cache: bool = False,
        window: Sequence[float] | None = (-160, 240),
        tracking: bool = False,
        tracking_uri: str = "",
        cases_per_job: int = 200,
        **options: Any,
    ) -> None:
        refuse_results(runtime)
        self.manifest = cohort
        self._checksums: dict[str, str] = {}
        self.work = WorkFolder(work_dir)
        if tracking and is_first():  # which a stage would miss after hours of work
            needed_package("mlflow", "mlflow", "--tracking mlflow")
        self.settings = PipelineSettings(
            bundle_root=Path(bundle_root).absolute(),
            overlays=tuple(overlays),
            training={**(training or {}), **({"plan": plan} if plan else {})},
            inference=dict(inference or {}),
            runtime=dict(runtime or {}),
            keep_cache=keep_cache,
            window=None if window is None else (float(window[0]), float(window[1])),
            tracking={"tracking": "mlflow", "tracking_uri": tracking_uri} if tracking and is_first() else {},
            cases_per_job=cases_per_job,
        )
        self.cohort = read_cohort(cohort)
        self.groups = group_cases(self.cohort.training, groups or default_group_rules(self.cohort), self.cohort)
        described = parse_recipe(recipe, list(self.groups), defaults or {})
        self.settings = self.settings.with_checked_values(described)
        self.planned = plan_stages([self.settings.checked(stage) for stage in described], self.groups)
        shared = (self.planned, self.cohort, self.groups, self.work, self.settings, self.checksums)
        self.stage_runs = runs = [StageRun(one, *shared) for one in self.planned]
        super().__init__(runs, work_dir, stages, **options)
        for run in runs:
            run.refuse_other_classes()

    def prepare(self) -> None:
        """Compare with earlier runs, exclude unusable cases, measure the foreground."""
        if not self.cohort.validation:
            logger.warning("%s lists no validation cases: the stages will have no scores", self.manifest)
        super().prepare()
        unusable = unusable_cases(
            self.cohort, self.work.case_facts, [run.settings.plan(run.stage) for run in self.stage_runs]
        )
        self.exclude(unusable)
        self.describe()
        self.measure_foreground(unusable)
        self.measure_scans(unusable)

    def describe(self) -> None:
        """What the recipe is, for its page, which may be asked for at any time."""
        cases = {name: len(group) for name, group in self.groups.items()}
        cases |= {"validation": len(self.cohort.validation), "test": len(self.cohort.test)}
        content = {
            "title": self.cohort.name,
            "stages": list(self.runs),
            "reference": last_stage(self.stage_runs),
            "cases": {name: count for name, count in cases.items() if count},
        }
        if content != read_json(self.work.path / RECIPE_FILE, {}):
            write_json(self.work.path / RECIPE_FILE, content)

    def exclude(self, unusable: Mapping[str, str]) -> None:
        """Exclude what cannot be used; what begun stages went without stays excluded, other cases are judged again."""
        inputs = [read_json(run.folder.inputs, {}) for run in self.runs.values()]
        begun = {name for one in inputs for kind in ("cases", "validation", "test") for name in one.get(kind, {})}
        kept = {name: reason for name, reason in self.work.excluded().items() if name in begun}
        self.work.replace_excluded({**unusable, **kept})
        for name, reason in self.work.excluded().items():
            logger.warning("excluded: %s: %s", name, reason)

    def measure_scans(self, unusable: Mapping[str, str]) -> None:
        """What the training scans are like, for every stage's plan; the check of the cases has read them all."""
        entries = [case_entry(case) for case in self.cohort.training if case.name not in unusable]
        found = measured_scans(entries, self.work.case_facts)
        if found != read_json(self.work.scans, None):
            write_json(self.work.scans, found)

    def measure_foreground(self, unusable: Mapping[str, str]) -> None:
        """The statistics that scans are normalised with, once for the same annotated cases.

        A case that could not be labelled counts too: whether it failed before or after must make no difference.
        """
        if not any(run.measures_intensity() for run in self.stage_runs):
            return
        cases = [case for case in self.cohort.training if case.label is not None and case.name not in unusable]
        checksums = self.checksums()
        source = digest({case.name: [checksums[case.image], checksums[str(case.label)]] for case in cases})
        if not self.work.intensity.exists() or read_json(self.work.intensity_source, None) != source:
            self.work.intensity.unlink(missing_ok=True)
            write_json(self.work.intensity_source, source)
            entries = [case_entry(case) for case in cases]
            write_json(self.work.intensity, measured_intensity(entries, self.work.case_facts))

    def checksums(self) -> dict[str, str]:
        """File -> checksum of every file of the cohort, as it is when the run first asks."""
        if not self._checksums:
            files = [file for case in self.cohort.cases for file in (case.image, case.label) if file]
            self._checksums = file_checksums(files, self.work.checksums)
        return self._checksums

    def plan(self) -> str:
        """What each selected stage would label and train on."""
        held_out = f"validation {len(self.cohort.validation)} cases"
        held_out += f", test {len(self.cohort.test)} cases" if self.cohort.test else ""
        head = f"{self.data()}, {held_out}"
        return "\n".join(["plan (nothing is run)", head, *describe_plan(self.planned, self.cohort, self.selected)])

    def table(self, records: Sequence[dict[str, Any]]) -> str:
        """The stages, and how many cases are excluded."""
        excluded = self.work.excluded()
        note = [f"{len(excluded)} cases excluded: {self.work.excluded_file}"] if excluded else []
        return "\n".join([status_table(records), *note])

    def report(self) -> None:
        """Write report.md and log the table; once the last stage is done study.md, and once all is report.html."""
        super().report()
        data = f"{self.data()}; {len(self.cohort.validation)} validation cases"
        records = self.records()
        page = status_page(self.cohort.name, data, records, self.work.excluded())
        write_text(self.work.path / "report.md", page)
        seed = int(self.settings.training.get("seed", 0))
        reference = last_stage(self.stage_runs)
        try:
            write_recipe_tables(self.work.path, self.cohort.name, self.cohort, {seed: self.runs}, reference)
        except InputError as error:  # of an earlier stage, whose successors go on without
            logger.warning("no tables are written: %s", error)
        if all(record["state"] == DONE for record in records):
            write_report_or_warn(self.work.path)

    def closing(self) -> str:
        """Which cases are excluded, "" for none."""
        names = list(self.work.excluded())
        return closing_line(len(self.cohort.cases), names, "used", self.work.excluded_file) if names else ""

    def data(self) -> str:
        """The cohort and its groups."""
        return f"{self.cohort.name}: " + ", ".join(f"{name} {len(cases)}" for name, cases in self.groups.items())


def last_stage(runs: Sequence[StageRun]) -> str:
    """The last stage that is no control, with which the others are compared; "" for none."""
    return next((run.name for run in reversed(runs) if not run.stage.control), "")
