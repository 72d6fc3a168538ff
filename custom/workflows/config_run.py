"""A config of a bundle, or a command of this package, as a run of a chain that is described by data alone."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ..cohort.manifest import read_cohort
from ..errors import InputError
from ..io.checksums import file_checksums
from ..processes import on_first, together
from .bundle_run import config_checksums, is_known, known_settings, refuse_unknown_settings, run_config
from .record import RunFolder, read_json, scores_of, training_seconds
from .run import Run

KEYS = ("name", "needs", "config", "command", "overrides", "bundle_root")
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
REFERENCE = re.compile(r"\{needs\.(?P<run>[\w.-]+)\.(?P<key>\w+)\}")
OWN_FOLDERS = {"output_dir": "output", "ckpt_dir": "models", "cache_dir": "cache"}
GOES_ON = {"resume": True, "overwrite": False}  # a training from its checkpoint, a prediction from its last scan on
METRICS = ("evaluation/metrics.json", "validation/metrics.json", "metrics.json")  # in output_dir


class ConfigRun(Run):
    """One run of configs laid over one another, as `python -m monai.bundle run`, or of `python -m custom COMMAND`.

    What it reads (overrides that name existing files or folders) counts by content. `{needs.NAME.KEY}` in an override
    is the value of KEY in an earlier run, `{folder}` the run's own folder.

    Args:
        entry: name; config: names of configs, e.g. [train, evaluate], or command; overrides: id (or option) -> value;
            needs: earlier runs besides those that overrides refer to; bundle_root: another bundle than that of others.
        earlier: name -> run, of those before it.
        work_dir: of the chain.
        bundle_root: folder of the bundle.
        common: overrides of all runs, for the configs that have them.
        runtime: further ones that leave the result as it is.

    Raises:
        InputError: naming the run, the key, its value and the remedy.
    """

    def __init__(
        self,
        entry: Mapping[str, Any],
        earlier: Mapping[str, ConfigRun],
        work_dir: Path,
        bundle_root: str | Path,
        common: Mapping[str, Any],
        runtime: Mapping[str, Any],
    ) -> None:
        self.name = _name(entry, earlier)
        self.folder = RunFolder(work_dir / "runs" / self.name)
        self.command = str(entry.get("command", ""))
        config = entry.get("config", [])
        self.configs = [config] if isinstance(config, str) else list(config)
        if bool(self.command) == bool(self.configs):
            raise InputError(f"run {self.name}: give either config, one or several names, or command")
        self.bundle_root = Path(entry.get("bundle_root", bundle_root)).absolute()
        self.known = known_settings(self.bundle_root, self.configs) if self.configs else frozenset()
        own = dict(entry.get("overrides") or {})
        if self.configs:
            refuse_unknown_settings(f"run {self.name}", own, self.known)
        for key in OWN_FOLDERS if self.trains else ("output_dir",) if self.configs else ():
            if key in own:
                raise InputError(f"run {self.name}: {key} lies in its own folder; leave it out of overrides")
        self.overrides = {**self.of_known(common), **own}
        self.runtime = self.of_known(runtime)
        self.earlier = earlier
        referred = [found["run"] for text in _strings(self.overrides) for found in REFERENCE.finditer(text)]
        self.needs = list(dict.fromkeys([*entry.get("needs", ()), *referred]))
        for need in self.needs:
            if need not in earlier:
                raise InputError(f"run {self.name} needs {need!r}, which is no earlier run; correct it or the order")
        self.values()

    @property
    def trains(self) -> bool:
        """Whether it writes weights."""
        return self.configs[:1] == ["train"] and "evaluate" not in self.configs

    def of_known(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those values that its configs have."""
        return {key: value for key, value in values.items() if is_known(key, self.known)}

    def values(self) -> dict[str, Any]:
        """All ids of the configs, or options of the command, that are set."""
        folders = {key: str(self.folder.path / part) for key, part in OWN_FOLDERS.items()}
        given = {**self.of_known(folders), **self.of_known(GOES_ON), **self.runtime}
        return given | {key: self.filled(value) for key, value in self.overrides.items()}

    def filled(self, value: Any) -> Any:
        """A value with references replaced."""
        if isinstance(value, str):
            return REFERENCE.sub(self.referred, value.replace("{folder}", str(self.folder.path)))
        if isinstance(value, Mapping):
            return {key: self.filled(one) for key, one in value.items()}
        return [self.filled(one) for one in value] if isinstance(value, list) else value

    def referred(self, found: re.Match[str]) -> str:
        """What a reference stands for."""
        known = {"folder": str(self.earlier[found["run"]].folder.path)} | self.earlier[found["run"]].values()
        if found["key"] not in known:
            raise InputError(f"run {self.name}: {found[0]} is unknown; {found['run']} sets {', '.join(sorted(known))}")
        return str(known[found["key"]])

    def inputs(self) -> dict[str, Any]:
        """The configs, the overrides as they are written, and the content of files that they name."""
        configs = config_checksums(self.bundle_root, self.configs)
        overrides = {key: self.content(key, value) for key, value in self.overrides.items()}
        return {"command": self.command, "configs": configs, "overrides": overrides}

    def content(self, key: str, value: Any) -> Any:
        """A value; of an existing file or folder path -> checksum of each file, however it is reached."""
        is_place = isinstance(value, str) and (os.sep in value or key.endswith(("_dir", "_file")))
        if not is_place or not (root := Path(value).expanduser()).exists():
            return value
        files = [root] if root.is_file() else sorted(file for file in root.rglob("*") if file.is_file())
        names = {str(file): file.relative_to(root if root.is_dir() else root.parent).as_posix() for file in files}
        if root.suffix == ".json":
            names |= {file: file for file in _files_of_manifest(root)}
        checksums = file_checksums(list(names), self.folder.path.parents[1] / "checksums.json")
        return {name: checksums[file] for file, name in names.items()}

    def execute(self) -> None:
        """Run the configs or the command."""
        if self.command:
            on_first(self.execute_command)
        elif together() and self.configs[0] != "train":
            raise InputError(f"{self.configs[0]} runs in one process; do it without torchrun, then the rest with it")
        else:
            first, *rest = self.configs
            parallel = ["multi_gpu_train"] if together() else []
            run_config(self.bundle_root, [first, *parallel, *rest], self.values())

    def execute_command(self) -> None:
        """Run a command of this package in this process."""
        commands = import_module("..__main__", __package__).COMMANDS  # imports every room
        if self.command not in commands:
            raise InputError(f"command {self.command!r} is none of {', '.join(commands)}")
        commands[self.command](**self.values())

    def result(self) -> dict[str, Any]:
        """Scores and time, where there are any."""
        metrics = [file for file in (self.folder.output / place for place in METRICS) if file.is_file()]
        return {
            "training_seconds": training_seconds(self.folder.output / "log.csv"),
            "scores": scores_of(read_json(metrics[0], {})) if metrics else {},
        }


def config_runs(
    runs: Sequence[Mapping[str, Any]],
    work_dir: str | Path,
    bundle_root: str | Path = ".",
    overrides: Mapping[str, Any] | None = None,
    runtime: Mapping[str, Any] | None = None,
) -> list[ConfigRun]:
    """The runs of a chain from data: `custom.workflows.Chain(config_runs(...), work_dir)`; see `ConfigRun`.

    Args:
        runs: each a mapping, e.g. {"name": "train_0", "config": "train", "overrides": {"fold": 0}}.
        work_dir: where everything is written, each run in runs/NAME.
        bundle_root: folder of the bundle.
        overrides: ids -> values of every run whose configs have them, e.g. {"dataset_dir": ...}.
        runtime: the same, of values that leave the result as it is, e.g. {"num_workers": 4}.
    """
    made: dict[str, ConfigRun] = {}
    place = Path(work_dir).expanduser().absolute()
    for entry in runs:
        run = ConfigRun(entry, dict(made), place, bundle_root, overrides or {}, runtime or {})
        made[run.name] = run
    known = frozenset().union(*(run.known for run in made.values()))
    refuse_unknown_settings("runs", [*(overrides or {}), *(runtime or {})], known)
    return list(made.values())


def _name(entry: Mapping[str, Any], earlier: Mapping[str, Any]) -> str:
    name = str(entry.get("name", ""))
    unknown = sorted(set(entry) - set(KEYS))
    if unknown:
        raise InputError(f"run {name}: unknown key {unknown[0]!r}; use {', '.join(KEYS)}")
    if not NAME.fullmatch(name) or name in earlier:
        raise InputError(f"run {name!r}: the name must be usable as a folder's and differ from every other run's")
    return name


def _strings(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return [text for one in value for text in _strings(one)]
    return [value] if isinstance(value, str) else []


def _files_of_manifest(file: Path) -> list[str]:
    try:
        return [str(one) for case in read_cohort(file).cases for one in (case.image, case.label) if one]
    except InputError:  # another kind of JSON
        return []
