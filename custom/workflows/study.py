"""A study: experiments x seeds x folds, each trained and scored on its held-out fold, and tables of all of them."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..datalist.fixed_split import TEST
from ..errors import InputError
from ..io.atomic_write import write_json
from ..nearest_name import did_you_mean
from ..options.kinds import NAMES
from ..reports.case_scores import CASE_SCORES, Evaluation, collect_scores, scoring_rules, write_case_scores
from ..reports.page import write_report_or_warn
from ..reports.page.results import STUDY_FILE
from ..reports.stage_records import DONE
from ..reports.study_tables import write_tables
from .chain import Chain
from .config_run import REFERENCE, config_runs
from .runtime import refuse_results

logger = logging.getLogger(__name__)

KEYS = ("overlays", "settings", "evaluation", "weights")
SHARED_KEYS = ("config", "settings")
SCORES = "scores"
ALL = "all"
FOLDS_FILE = "folds.json"
PER_CASE = Path("evaluation") / "metrics_per_case.csv"


class Study(Chain):
    """Train and score experiments by cross-validation on the same folds; goes on after any end.

    Writes tables (`study_tables.FILES`) and the scores of all cases, `case_scores.csv`, to the work folder after every
    run, `study.json`, which describes the study, before the first, and `report.html` at the end; each run is in
    runs/NAME_seedS_foldF. The other arguments are options of configs/study.yaml, whose comments explain them.

    Args:
        experiments: name -> `settings`, values of train.yaml's first block, `overlays`, configs laid over it, and
            `evaluation`, values of its evaluation alone; `weights`: in place of settings and overlays, the earlier
            experiment whose trainings are scored once more, with its settings except for the values under `evaluation`.
        overrides: values of all runs.
        shared: name -> `config` (one or several) and `settings` of a run that several experiments need, done once for
            each fold and seed, before the first that needs it: in settings `{needs.NAME.KEY}` is the value of KEY in
            it, such as its `ckpt_dir` or `output_dir`; NAME may also be an earlier experiment.
        methods: names of the experiments that are done, or `all`.
    """

    def __init__(
        self,
        experiments: Mapping[str, Mapping[str, Any] | None],
        work_dir: str | Path,
        bundle_root: str | Path,
        reference: str,
        folds: Sequence[int | str] = (0, 1, 2, 3, 4),
        seeds: Sequence[int] = (0,),
        overlays: Sequence[str] = (),
        overrides: Mapping[str, Any] | None = None,
        runtime: Mapping[str, Any] | None = None,
        title: str = "Study",
        shared: Mapping[str, Mapping[str, Any]] | None = None,
        methods: str | Sequence[str] = ALL,
        **options: Any,
    ) -> None:
        experiments = chosen_experiments(experiments, methods)
        if reference not in experiments:
            raise InputError(
                f"reference is {reference!r}, which is not done: pass --reference with one of {', '.join(experiments)}"
                ", or add it to --methods"
            )
        if len(folds) > 1 and TEST in folds:
            raise InputError(
                f"folds is {list(folds)}: the others hold out the split's test cases, too, which would count twice; "
                f'make two studies, one of them with --folds "[{TEST}]"'
            )
        refuse_places(experiments, overrides or {})
        refuse_results(runtime)
        work_dir = Path(work_dir).absolute()
        common = {"folds_file": str(work_dir / FOLDS_FILE), **(runtime or {})}  # made by the first training
        entries = list(study_runs(experiments, folds, seeds, overlays, shared or {}, list(overrides or {})))
        runs = config_runs(entries, work_dir, bundle_root, overrides, common)
        super().__init__(runs, work_dir, **options)
        self.experiments = {name: dict(one or {}) for name, one in experiments.items()}
        self.described = {"folds": list(folds), "seeds": list(seeds), "overlays": list(overlays)}
        self.described["overrides"] = dict(overrides or {})
        self.reference, self.title = reference, title
        places = [(seed, fold) for seed in seeds for fold in folds]
        self.evaluations = {
            name: [self.runs[f"{run_name(name, seed, fold)}_{SCORES}"] for seed, fold in places] for name in experiments
        }
        self.sources = [
            Evaluation(name, seed, fold, run.folder.output / PER_CASE)
            for name, runs in self.evaluations.items()
            for (seed, fold), run in zip(places, runs, strict=True)
        ]

    def compare_with_earlier_runs(self) -> None:
        """As every chain; where all runs are redone, so are the folds, which may be of other cases."""
        folds, begun = self.work_dir / FOLDS_FILE, self.begun_runs()
        super().compare_with_earlier_runs()
        if folds.exists() and begun and not self.begun_runs():
            logger.warning("all runs are redone, on new folds; the old ones: %s", self.put_aside(folds))

    def begun_runs(self) -> list[Path]:
        """What says that a run was begun, also of methods and folds that this call leaves alone."""
        return list(self.work_dir.glob("runs/*/inputs.json"))

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
        write_json(self.work_dir / STUDY_FILE, {**content, "runs": list(self.runs)})

    def report(self) -> None:
        """Write the tables; once all is done also the page, and log the tables."""
        done = sum(record["state"] == DONE for record in self.records())
        logger.info("%d of %d runs done", done, len(self.runs))
        found = collect_scores(self.sources)
        write_case_scores(self.work_dir / CASE_SCORES, found)
        if not found.scores:
            return
        rules = scoring_rules(self.sources)
        text = write_tables(
            self.work_dir, self.title, found.scores, found.class_names, found.groups, self.reference, rules
        )
        if done == len(self.runs):
            write_report_or_warn(self.work_dir)
            logger.info("\n%s\nwritten to %s", text, self.work_dir)


def run_name(experiment: str, seed: int, fold: int | str) -> str:
    """The name of a training."""
    return f"{experiment}_seed{seed}_fold{fold}"


def study_runs(
    experiments: Mapping[str, Mapping[str, Any] | None],
    folds: Sequence[int | str],
    seeds: Sequence[int],
    overlays: Sequence[str],
    shared: Mapping[str, Mapping[str, Any]],
    common: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """The entries of `config_runs`: fold by fold the experiments' trainings, each followed by its evaluation.

    Fold by fold, so that after a fifth of the time every experiment has scores of the same patients. An evaluation has
    of the values that all runs have in `common` those that its training was given in their place, and the values of the
    evaluation of the experiment whose weights it scores. Raises InputError: an experiment or a shared run has an
    unknown key, or none at all.
    """
    for kind, entries, keys in (("experiment", experiments, KEYS), ("shared run", shared, SHARED_KEYS)):
        for name, entry in entries.items():
            if not isinstance(entry or {}, Mapping):
                raise InputError(f"{kind} {name} is {entry!r}; give it {' and '.join(keys)}")
            unknown = [key for key in entry or {} if key not in keys]
            if unknown:
                raise InputError(f"{kind} {name}: unknown key {unknown[0]!r}; use {' and '.join(keys)}")
    check_weights(experiments)
    placed = [*experiments, *shared]
    for seed in seeds:
        for fold in folds:
            done: set[str] = set()
            for name, experiment in experiments.items():
                for needed in needed_of(experiment, shared):
                    if needed not in done:
                        yield shared_run(needed, shared[needed], placed, seed, fold, overlays)
                        done.add(needed)
                trained = experiments[(experiment or {}).get("weights", name)] or {}
                again = {key: one for key, one in (trained.get("settings") or {}).items() if key in common}
                again |= trained.get("evaluation") or {}
                laid_over = [*overlays, *(trained.get("overlays") or [])]
                yield from runs_of(name, experiment or {}, placed, seed, fold, laid_over, again)


def chosen_experiments(
    experiments: Mapping[str, Mapping[str, Any] | None], methods: str | Sequence[str]
) -> dict[str, Mapping[str, Any] | None]:
    """The experiments of these names, in their own order. Raises InputError: one has no such name."""
    names = NAMES.read(methods)
    if names == [ALL]:
        return dict(experiments)
    for name in names or [""]:
        if name not in experiments:
            raise InputError(
                f"methods: there is no experiment {name!r}{did_you_mean(name, experiments)}; there are "
                f"{', '.join(experiments)}, or {ALL}"
            )
    return {name: one for name, one in experiments.items() if name in names}


def refuse_places(experiments: Mapping[str, Mapping[str, Any] | None], overrides: Mapping[str, Any]) -> None:
    """Refuse a seed or fold among the settings: each training has its own, by the study's seeds and folds."""
    given = [("training", overrides)]
    given += [(f"experiment {name}", (one or {}).get("settings") or {}) for name, one in experiments.items()]
    for where, settings in given:
        for key in ("seed", "fold"):
            if key in settings:
                raise InputError(f"{where}: {key} is {settings[key]!r}, which has no effect; pass --{key}s")


def check_weights(experiments: Mapping[str, Mapping[str, Any] | None]) -> None:
    """Refuse weights of anything but an earlier experiment with a training of its own."""
    trained: list[str] = []
    for name, experiment in experiments.items():
        weights = (experiment or {}).get("weights")
        if weights is None:
            trained.append(name)
        elif weights not in trained:
            known = ", ".join(trained) or "none"
            raise InputError(
                f"experiment {name}: weights is {weights!r}; name an earlier experiment that is trained ({known}), or "
                "add it to --methods"
            )
        elif own := {"settings", "overlays"} & set(experiment or {}):
            what = f"experiment {name}: {min(own)} are a training's, but it takes {weights}'s"
            raise InputError(f"{what}; leave them out, or set values of its evaluation alone under evaluation")


def runs_of(
    name: str,
    experiment: Mapping[str, Any],
    runs: Iterable[str],
    seed: int,
    fold: int | str,
    overlays: Sequence[str],
    again: Mapping[str, Any],
) -> Iterator[dict[str, Any]]:
    """Training, unless it takes another's, and evaluation of an experiment, which has the settings `again`, too.

    `overlays` are those of the study and of the training.
    """
    training = run_name(experiment.get("weights", name), seed, fold)
    configs = ["train", *overlays]
    settings, scoring = (of_fold(experiment.get(key) or {}, runs, seed, fold) for key in ("settings", "evaluation"))
    if "weights" not in experiment:
        yield {"name": training, "config": configs, "overrides": {**settings, "fold": fold, "seed": seed}}
    overrides = {"ckpt_dir": f"{{needs.{training}.ckpt_dir}}", **of_fold(again, runs, seed, fold), **scoring}
    yield {"name": f"{run_name(name, seed, fold)}_{SCORES}", "config": [*configs, "evaluate"], "overrides": overrides}


def shared_run(
    name: str, entry: Mapping[str, Any], runs: Iterable[str], seed: int, fold: int | str, overlays: Sequence[str]
) -> dict[str, Any]:
    """A run that several experiments need; a training knows fold and seed."""
    config = entry.get("config", "train")
    configs = [config] if isinstance(config, str) else list(config)
    settings = of_fold(entry.get("settings") or {}, runs, seed, fold)
    training = configs[0] == "train" and "evaluate" not in configs
    return {
        "name": run_name(name, seed, fold),
        "config": [configs[0], *(overlays if configs[0] == "train" else []), *configs[1:]],
        "overrides": {**settings, **({"fold": fold, "seed": seed} if training else {})},
    }


def needed_of(entry: Any, shared: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The shared runs that an entry refers to, each after those that it needs itself."""
    found: list[str] = []
    for reference in REFERENCE.finditer(str(entry)):
        if (name := reference["run"]) in shared:
            found += [*needed_of(shared[name], {key: one for key, one in shared.items() if key != name}), name]
    return list(dict.fromkeys(found))


def of_fold(value: Any, runs: Iterable[str], seed: int, fold: int | str) -> Any:
    """A value in which references to runs by a name without fold and seed are to those of a fold and seed."""
    if isinstance(value, Mapping):
        return {key: of_fold(one, runs, seed, fold) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [of_fold(one, runs, seed, fold) for one in value]
    if not isinstance(value, str):
        return value

    def placed(found: re.Match[str]) -> str:
        run = run_name(found["run"], seed, fold) if found["run"] in runs else found["run"]
        return f"{{needs.{run}.{found['key']}}}"

    return REFERENCE.sub(placed, value)
