"""Configs of a bundle as a run of a chain that is described by data alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..cohort.manifest import read_cohort
from ..errors import InputError
from ..io.checksums import file_checksums
from ..io.folders_below import folders_below
from ..io.json_file import read_json
from ..nearest_name import did_you_mean
from ..options.kinds import FILE_NAME
from ..plans import load_plan
from ..processes import together
from .bundle_run import LEFT_OUT, checked_settings, config_checksums, is_known, known_settings, run_config
from .record import RunFolder, scores_of, training_seconds
from .run import Run

KEYS = ("name", "needs", "config", "overrides")
REFERENCE = re.compile(r"\{needs\.(?P<run>[\w.-]+)\.(?P<key>\w+)\}")
FOLDERS = {"output_dir": "output", "ckpt_dir": "models", "cache_dir": "cache"}  # in the run's own
GOES_ON = {"resume": True, "overwrite": False}  # a training from its checkpoint, a prediction after its last scan
METRICS = ("evaluation/metrics.json", "validation/metrics.json", "metrics.json")  # in output_dir


class ConfigRun(Run):
    """One run of configs laid over one another; see `config_runs`."""

    def __init__(
        self,
        entry: Mapping[str, Any],
        earlier: Mapping[str, ConfigRun],
        work_dir: Path,
        bundle_root: str | Path,
        common: Mapping[str, Any],
        runtime: Mapping[str, Any],
    ) -> None:
        self.name = str(entry.get("name", ""))
        self.configs = _words(entry.get("config"))
        self.folder = RunFolder(work_dir / "runs" / self.name)
        self.earlier = earlier
        self.left_out: dict[str, str] = {}  # image -> reason
        self.bundle_root = Path(bundle_root).absolute()
        if not self.configs:
            raise InputError(f"run {self.name}: give it config, one or several names")
        self.known = known_settings(self.bundle_root, self.configs)
        self.overrides = {**self.checked(self.of_known(common)), **self.checked(entry.get("overrides") or {})}
        self.runtime = self.checked(self.of_known(runtime))
        referred = [found[1] for found in REFERENCE.finditer(str(self.overrides))]
        self.needs = tuple(dict.fromkeys([*_words(entry.get("needs")), *referred]))
        self.check(entry)

    def check(self, entry: Mapping[str, Any]) -> None:
        """Refuse what would fail, or change nothing, after hours of work."""
        trains = self.configs[:1] == ("train",) and "evaluate" not in self.configs
        placed = [key for key in (FOLDERS if trains else ["output_dir"]) if key in self.overrides]
        faults = [f"unknown key {key!r}; use {', '.join(KEYS)}" for key in entry if key not in KEYS]
        faults += [f"needs {one!r}, which is no earlier run; name one" for one in self.needs if one not in self.earlier]
        faults += [f"{key} is in the run's own folder; leave it out of overrides" for key in placed]
        if faults:
            raise InputError(f"run {self.name}: {faults[0]}")
        self.values()

    def checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values that have passed their options' descriptions."""
        fixed = {key: value for key, value in values.items() if not REFERENCE.search(str(value))}
        return {**values, **checked_settings(f"run {self.name}", self.bundle_root, self.configs, fixed)}

    def of_known(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those values that its configs have."""
        return {key: value for key, value in values.items() if is_known(key, self.known)}

    def values(self) -> dict[str, Any]:
        """All ids of the configs that are set."""
        folders = {key: str(self.folder.path / place) for key, place in FOLDERS.items()}
        return {**self.of_known({**folders, **GOES_ON}), **self.runtime, **self.filled(self.overrides)}

    def filled(self, value: Any) -> Any:
        """A value with its references replaced."""
        if isinstance(value, Mapping):
            return {key: self.filled(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.filled(one) for one in value]
        if not isinstance(value, str):
            return value
        return REFERENCE.sub(self.referred, value.replace("{folder}", str(self.folder.path)))

    def referred(self, found: re.Match[str]) -> str:
        """The value of a reference."""
        run = self.earlier[found["run"]]
        known = {"folder": run.folder.path, **run.values()}
        if found["key"] not in known:
            raise InputError(f"run {self.name}: {found[0]} is unknown; {run.name} sets {', '.join(sorted(known))}")
        return str(known[found["key"]])

    def inputs(self) -> dict[str, Any]:
        """The configs, and the overrides as they are written, with the content of files they name."""
        overrides = {key: self.content(key, value) for key, value in self.overrides.items()}
        return {"configs": config_checksums(self.bundle_root, self.configs), "overrides": overrides}

    def content(self, key: str, value: Any) -> Any:
        """A value; of an existing file or folder path -> checksum of each file, wherever that lies."""
        if key == "plan" and value and not REFERENCE.search(str(value)):
            return load_plan(str(value), self.bundle_root)
        is_place = isinstance(value, str) and value and (os.sep in value or key.endswith(("_dir", "_file")))
        if not is_place or not (root := Path(value)).exists():
            return value
        work_dir = self.folder.path.parents[1]
        files = {file.relative_to(root).as_posix(): str(file) for file in files_below(root, work_dir)}
        if root.is_file():
            files = {root.name: str(root), **cohort_files(root)}
        checksums = file_checksums(list(files.values()), work_dir / "checksums.json")
        return {name: checksums[file] for name, file in files.items()}

    def execute(self) -> None:
        """Run the configs, as training on all ranks."""
        if together() and self.configs[0] != "train":
            raise InputError(f"{self.configs[0]} is for one process: run it without torchrun, then the others with it")
        parallel = ["multi_gpu_train"] if together() else []
        self.left_out = run_config(self.bundle_root, [self.configs[0], *parallel, *self.configs[1:]], self.values())

    def result(self) -> dict[str, Any]:
        """Time, scores and scans that were left out, where there are any."""
        scores = [scores_of(read_json(self.folder.output / place, {})) for place in METRICS]
        left_out = {LEFT_OUT: self.left_out} if self.left_out else {}
        seconds = training_seconds(self.folder.output / "log.csv")
        return {"training_seconds": seconds, "scores": next(filter(None, scores), {}), **left_out}


class ConfigRuns(list[ConfigRun]):
    """Runs, and the arguments of `config_runs` that make them again in another process."""

    def __init__(self, runs: Iterable[ConfigRun], made_from: Mapping[str, Any]) -> None:
        super().__init__(runs)
        self.made_from = made_from


def config_runs(
    runs: Sequence[Mapping[str, Any]],
    work_dir: str | Path,
    bundle_root: str | Path = ".",
    overrides: Mapping[str, Any] | None = None,
    runtime: Mapping[str, Any] | None = None,
) -> ConfigRuns:
    """The runs of a chain from data, for `Chain(config_runs(runs, work_dir), work_dir)`. Two of a cross-validation:

        - {name: train_0, config: train, overrides: {fold: 0}}
        - {name: score_0, config: [train, evaluate], overrides: {fold: 0, ckpt_dir: "{needs.train_0.ckpt_dir}"}}

    Args:
        runs: mappings of name; config: one or several names of configs laid over one another; overrides: id -> value;
            needs: earlier runs that overrides do not refer to. In overrides `{needs.NAME.KEY}` is the value of KEY in
            an earlier run, `{folder}` the run's own folder, and files and folders that exist count by their contents.
        work_dir: where everything is written, each run in runs/NAME.
        bundle_root: folder of the bundle.
        overrides: ids -> values of all runs whose configs have them, e.g. {"dataset_dir": ...}.
        runtime: the same, of values that leave the result as it is, e.g. {"num_workers": 4}.

    Raises InputError: naming the run, the key, its value and the remedy.
    """
    made: dict[str, ConfigRun] = {}
    for entry in runs:
        place = Path(work_dir).absolute()
        run = ConfigRun(entry, dict(made), place, bundle_root, overrides or {}, runtime or {})
        if not FILE_NAME.fullmatch(run.name) or run.name in made:
            raise InputError(f"run {run.name!r}: the name must be usable as a folder's and differ from all others")
        made[run.name] = run
    known = frozenset[str]().union(*(run.known for run in made.values()))
    for key in {**(overrides or {}), **(runtime or {})}:
        if not is_known(key, known):
            raise InputError(f"all runs: no config has a setting {key!r}{did_you_mean(key, known)}; correct its name")
    arguments = {"runs": list(runs), "work_dir": str(Path(work_dir).absolute()), "bundle_root": str(bundle_root)}
    return ConfigRuns(made.values(), {**arguments, "overrides": overrides, "runtime": runtime})


def files_below(root: Path, without: Path) -> list[Path]:
    """The files in a folder, also behind links, but for those in `without`; hidden folders apart, sorted."""
    folders = (one for one in folders_below(root) if not one.resolve().is_relative_to(without.resolve()))
    return sorted(file for folder in folders for file in folder.iterdir() if file.is_file())


def cohort_files(manifest: Path) -> dict[str, str]:
    """Name -> file of the scans and labels that a cohort manifest lists; none for another kind of file."""
    try:
        cases = read_cohort(manifest).cases
    except InputError:
        return {}
    kinds = ("image", "label")
    return {f"{case.name} {kind}": file for case in cases for kind in kinds if (file := getattr(case, kind))}


def _words(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())
