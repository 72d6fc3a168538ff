"""A pseudo-label recipe with several seeds, and tables of what its stages and controls score on the test cases."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..engines.writable_folders import make_writable
from ..errors import InputError
from ..io.atomic_write import write_json
from ..processes import is_first, on_first
from ..reports.case_scores import CASE_SCORES, Evaluation, read_case_scores, write_case_scores
from ..reports.page import write_report_or_warn
from ..reports.page.results import RECIPE_FILE
from ..reports.study_tables import write_tables
from .chain import run_chains
from .disk_errors import reporting_disk_trouble
from .pipeline import PseudoLabelPipeline, last_stage

logger = logging.getLogger(__name__)

PER_CASE = "metrics_per_case.csv"


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
        done = [
            name for name in self.pipelines[0].runs if all(one.runs[name].folder.is_done() for one in self.pipelines)
        ]
        cohort = self.pipelines[0].cohort
        cases, place = ("test", "test/evaluation") if cohort.test else ("validation", "output/validation")
        sources = [
            Evaluation(name, seed, cases, one.runs[name].folder.path / place / PER_CASE)
            for name in done
            for seed, one in zip(self.seeds, self.pipelines, strict=True)
        ]
        if self.reference in done:
            write_case_scores(self.work_dir / CASE_SCORES, sources)
            scores, class_names = read_case_scores(self.work_dir / CASE_SCORES)
            title = f"{self.title}: {cases} cases, {len(self.pipelines)} seeds"
            text = write_tables(self.work_dir, title, scores, class_names, self.reference)
            logger.info("\n%s\nwritten to %s", text, self.work_dir)
        if len(done) == len(self.pipelines[0].runs):
            write_report_or_warn(self.work_dir)

    def close(self) -> None:
        """End the program with the status of a run that left cases out, where some seed did."""
        for pipeline in self.pipelines:
            pipeline.close()
