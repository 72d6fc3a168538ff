"""A pseudo-label recipe with several seeds, and tables of what its stages and controls score on the test cases."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engines.writable_folders import make_writable
from ..errors import InputError
from ..io.atomic_write import write_json
from ..processes import is_first, on_first
from ..reports.page import write_report_or_warn
from ..reports.page.results import RECIPE_FILE
from .chain import run_chains
from .disk_errors import reporting_disk_trouble
from .pipeline import PseudoLabelPipeline, last_stage
from .recipe_tables import write_recipe_tables

logger = logging.getLogger(__name__)


class RecipeStudy:
    """Run a recipe once with each seed, or all seeds at once where there are several jobs; goes on after any end.

    Each seed has the folder seed_NUMBER in the work folder. The files of a study there (`study.md`, `scores.csv`, ...)
    compare the stages and controls that are done with every seed: on the cohort's test cases, or on its validation
    cases where it has none; `report.html` shows them all, once all are done.

    The arguments are the options of configs/pipeline.yaml and configs/seeds.yaml, whose comments explain them.
    """

    def __init__(
        self,
        work_dir: str | Path,
        seeds: Sequence[int],
        reference: str = "",
        title: str = "Study",
        training: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if not seeds or len(set(seeds)) < len(seeds):
            raise InputError(f"seeds is {list(seeds)}; name one or more, each once")
        self.work_dir, self.title = Path(work_dir).absolute(), title
        self.pipelines = [
            PseudoLabelPipeline(
                work_dir=self.work_dir / f"seed_{seed}", training={**(training or {}), "seed": seed}, **options
            )
            for seed in seeds
        ]
        for pipeline in self.pipelines:
            pipeline.label = pipeline.work_dir.name
        stages = list(self.pipelines[0].runs)
        if reference and reference not in stages:
            raise InputError(f"reference is {reference!r}, which is no stage: name one of {', '.join(stages)}")
        self.seeds = list(seeds)
        self.reference = reference or last_stage(self.pipelines[0].stage_runs)

    def run(self) -> None:
        """Do what is left of every seed, or print the plan or the state."""
        if self.pipelines[0].dry_run or self.pipelines[0].status:
            for pipeline in self.pipelines:
                if is_first():
                    logger.info("%s", pipeline.label)
                pipeline.run()
            return
        on_first(self.describe)
        run_chains(self.pipelines)
        on_first(self.report)

    def describe(self) -> None:
        """What the study is, for its page; each seed's folder describes the recipe."""
        content = {"title": self.title, "reference": self.reference, "seeds": self.seeds}
        make_writable(str(self.work_dir), remedy="pass another --work_dir")
        with reporting_disk_trouble():
            write_json(self.work_dir / RECIPE_FILE, content)

    def report(self) -> None:
        """Write the tables of the stages that every seed has finished; the page, if those are all."""
        runs = {seed: one.runs for seed, one in zip(self.seeds, self.pipelines, strict=True)}
        text = write_recipe_tables(self.work_dir, self.title, self.pipelines[0].cohort, runs, self.reference)
        if text:
            logger.info("\n%s\nwritten to %s", text, self.work_dir)
        if all(run.folder.is_done() for one in self.pipelines for run in one.runs.values()):
            write_report_or_warn(self.work_dir)

    def close(self) -> None:
        """End the program with the status of a run that left cases out, where some seed did."""
        for pipeline in self.pipelines:
            pipeline.close()
