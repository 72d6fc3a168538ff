"""A study: experiments x seeds x folds, each trained and scored on its held-out fold, and tables of all of them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io.atomic_write import write_json
from ..plans import PLAN_FILE, read_plan
from ..reports.page import write_report
from ..reports.page.report_command import PAGE_FILE
from ..reports.page.results import STUDY_FILE
from ..reports.stage_records import DONE
from ..reports.study_tables import read_scores, write_tables
from .chain import Chain
from .config_run import config_runs

logger = logging.getLogger(__name__)

KEYS = ("overlays", "settings")
SCORES = "scores"
PER_CASE = Path("evaluation") / "metrics_per_case.csv"


class Study(Chain):
    """Train and score experiments by cross-validation, one after another, on the same folds; goes on after any end.

    Writes `study.md`, `study.tex`, `scores.csv` and `comparisons.csv` to the work folder after every run, `study.json`,
    which describes the study, before the first, and `report.html` at the end.

    Args:
        experiments: name -> `settings`, values of train.yaml's first block, and `overlays`, configs laid over it.
        work_dir: everything is written there, each run in runs/NAME_seedS_foldF.
        bundle_root: folder of the bundle.
        reference: the experiment that all others are compared with.
        folds: those that are held out, of `num_folds`.
        seeds: of the trainings.
        overlays: configs laid over train.yaml in every experiment.
        overrides: values of all runs.
        runtime: values that leave the result as it is.
        title: what is studied, for the tables.
        options: those of `Chain`.
    """

    def __init__(
        self,
        experiments: Mapping[str, Mapping[str, Any] | None],
        work_dir: str | Path,
        bundle_root: str | Path,
        reference: str,
        folds: Sequence[int] = (0, 1, 2, 3, 4),
        seeds: Sequence[int] = (0,),
        overlays: Sequence[str] = (),
        overrides: Mapping[str, Any] | None = None,
        runtime: Mapping[str, Any] | None = None,
        title: str = "Study",
        **options: Any,
    ) -> None:
        if reference not in experiments:
            raise InputError(f"reference is {reference!r}; name one of the experiments: {', '.join(experiments)}")
        work_dir = Path(work_dir).absolute()
        shared = {"folds_file": str(work_dir / "folds.json"), **(runtime or {})}  # made by the first training
        entries = list(study_runs(experiments, folds, seeds, overlays))
        runs = config_runs(entries, work_dir, bundle_root, overrides, shared)
        super().__init__(runs, work_dir, **options)
        self.experiments = {name: dict(one or {}) for name, one in experiments.items()}
        self.described = {"folds": list(folds), "seeds": list(seeds), "overlays": list(overlays)}
        self.described["overrides"] = dict(overrides or {})
        self.reference, self.title = reference, title
        self.evaluations = {
            name: [self.runs[f"{run_name(name, seed, fold)}_{SCORES}"] for seed in seeds for fold in folds]
            for name in experiments
        }

    def prepare(self) -> None:
        """Write what the study is, for its page, which may be asked for at any time."""
        super().prepare()
        experiments = {
            name: {
                **one,
                "trainings": [run.needs[0] for run in self.evaluations[name]],
                "evaluations": [run.name for run in self.evaluations[name]],
            }
            for name, one in self.experiments.items()
        }
        content = {"title": self.title, "reference": self.reference, **self.described, "experiments": experiments}
        write_json(self.work_dir / STUDY_FILE, content)

    def report(self) -> None:
        """Write the tables; once all is done also the page, and log the tables."""
        done = sum(record["state"] == DONE for record in self.records())
        logger.info("%d of %d runs done", done, len(self.runs))
        if not self.class_names():
            return
        files = {name: [run.folder.output / PER_CASE for run in runs] for name, runs in self.evaluations.items()}
        text = write_tables(self.work_dir, self.title, read_scores(files), self.class_names(), self.reference)
        if done == len(self.runs):
            try:
                write_report(self.work_dir)
            except InputError as error:  # the study is done all the same
                logger.warning("%s: not written (%s)", self.work_dir / PAGE_FILE, error)
            logger.info("\n%s\nwritten to %s", text, self.work_dir)

    def class_names(self) -> list[str]:
        """Classes of the first training that has been scored; none before."""
        for run in (run for runs in self.evaluations.values() for run in runs):
            plan = self.runs[run.needs[0]].folder.models / PLAN_FILE
            if (run.folder.output / PER_CASE).is_file() and plan.is_file():
                return list(read_plan(plan)["classes"])
        return []


def run_name(experiment: str, seed: int, fold: int) -> str:
    """The name of a training."""
    return f"{experiment}_seed{seed}_fold{fold}"


def study_runs(
    experiments: Mapping[str, Mapping[str, Any] | None],
    folds: Sequence[int],
    seeds: Sequence[int],
    overlays: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """The entries of `config_runs`: fold by fold the experiments' trainings, each followed by its evaluation.

    Fold by fold, so that after a fifth of the time every experiment has scores of the same patients.

    Raises:
        InputError: an experiment has an unknown key.
    """
    for name, experiment in experiments.items():
        unknown = [key for key in experiment or {} if key not in KEYS]
        if unknown:
            raise InputError(f"experiment {name}: unknown key {unknown[0]!r}; use {' and '.join(KEYS)}")
    for seed in seeds:
        for fold in folds:
            for name, experiment in experiments.items():
                own = experiment or {}
                training = run_name(name, seed, fold)
                yield {
                    "name": training,
                    "config": ["train", *overlays, *own.get("overlays", [])],
                    "overrides": {**own.get("settings", {}), "fold": fold, "seed": seed},
                }
                yield {
                    "name": f"{training}_{SCORES}",
                    "config": ["train", *overlays, "evaluate"],
                    "overrides": {"ckpt_dir": f"{{needs.{training}.ckpt_dir}}"},
                }
