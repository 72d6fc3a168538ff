"""Runs one after another, or several at once, in a work folder; finished ones are kept, so that any call goes on."""

import json
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError, ScansLeftOutError, find_input_error, input_error_message
from ..io.atomic_write import TEMPORARY_PREFIX, write_json
from ..io.json_file import read_json
from ..io.run_lock import HIDDEN, is_in_use, run_lock
from ..options.kinds import NAMES_OR_NUMBERS
from ..processes import is_first, on_first
from ..reports.stage_records import DONE
from ..reports.status_table import run_table
from ..versions import versions
from .bundle_run import LEFT_OUT
from .changes import changes, digest, shortened
from .disk_errors import disk_trouble, reporting_disk_trouble
from .executors import AUTO, LOCAL, make_executor
from .jobs import Executor, Schedule, tasks_of
from .record import FAILED, INTERRUPTED, JOB_END, NOT_BEGUN, RUNNING, now
from .run import Run

logger = logging.getLogger(__name__)

REFUSE, REDO = "refuse", "redo"
PATIENCE = 15  # seconds: processes of a call that was killed end by themselves


class Chain:
    """Do what is left of some runs, one after another or several at once.

    The other arguments are options of configs/pipeline.yaml, whose comments explain them; `only` is its `stages`.

    Args:
        runs: each after those it needs; `custom.workflows.config_runs` makes them from data.
        work_dir: locked meanwhile; folders of runs that are redone move to `replaced` in it.
    """

    DESCRIPTION = "chain.json"  # in the work folder, for processes that do one run of it
    made_from: Mapping[str, Any]

    label = ""  # before the names of its runs, where several chains are worked on together
    noun, option = "run", "--only"  # in messages; `noun` is also the key of the name in a record

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        """Keep the arguments that a chain is made with, for another process to make it again."""
        chain = super().__new__(cls)
        bound = dict(signature(cls.__init__).bind(chain, *arguments, **named).arguments)
        del bound["self"]
        chain.made_from = {**bound.pop("options", {}), **bound}
        return chain

    def __init__(
        self,
        runs: Sequence[Run],
        work_dir: str | Path,
        only: str | int | Sequence[str | int] = "all",
        until: str | int = "",
        dry_run: bool = False,
        status: bool = False,
        on_change: str = REFUSE,
        jobs: int | str = AUTO,
        cluster: str = LOCAL,
        slurm: Mapping[str, Any] | None = None,
    ) -> None:
        if on_change not in (REFUSE, REDO):
            raise InputError(f"on_change is {on_change!r}; pass {REFUSE} or {REDO}")
        self.runs = {run.name: run for run in runs}
        self.work_dir = Path(work_dir).absolute()
        self.selected = self.select(only, until)
        self.dry_run, self.status = dry_run, status
        self.on_change = on_change
        self.where: tuple[int | str, str, Mapping[str, Any]] = (jobs, cluster, slurm or {})
        self.executor: Executor | None = None
        self._inputs: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        """Do what is left of the selected runs, or print the plan or the state.

        Raises InputError: one line on what cannot go on and the remedy; everything finished is kept.
        """
        if self.dry_run or self.status:
            if is_first():
                logger.info("%s", self.plan() if self.dry_run else self.state())
            return
        run_chains([self])

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the work folder, and do what comes before the first run."""
        with ExitStack() as held, reporting_disk_trouble():
            on_first(lambda: held.enter_context(run_lock(self.work_dir)))
            on_first(self.prepare)
            yield

    def do_all(self) -> None:
        """Do the selected runs in this process."""
        if self.label and is_first():
            logger.info("%s", self.label)
        reported = False
        for name in self.selected:
            if self.do(self.runs[name]):
                on_first(self.report)
                reported = True
        if not reported:
            on_first(self.report)

    def do(self, run: Run) -> bool:
        """Do what is left of a run; returns whether anything was."""
        if on_first(run.folder.is_done):
            on_first(run.clean)
            return False
        on_first(partial(self.require, run))
        with ExitStack() as held:
            on_first(lambda: held.enter_context(run_lock(run.folder.path, HIDDEN)))
            on_first(partial(self.begin, run))
            try:
                run.execute()
            except Exception as error:
                known = disk_trouble(error) or find_input_error(error)
                if known is None:
                    raise
                raise InputError(f"{self.noun} {run.name}: {input_error_message(known)}") from error
            on_first(partial(self.finish, run))
        return True

    def do_alone(self, run: Run) -> None:
        """Do a run in a process of its own, which may be long after it was begun."""
        before = read_json(run.folder.inputs, None)
        if before is not None and (found := changes(before, self.inputs(run.name))):
            raise InputError(f"settings or data changed since it was begun: {shortened(found)}; undo that")
        self.do(run)

    def write_description(self) -> None:
        """Write what makes the same chain in another process. Raises InputError: its runs are no data."""
        arguments = {**self.made_from, "work_dir": str(self.work_dir)}
        if "runs" in arguments:
            if not hasattr(arguments["runs"], "made_from"):
                raise InputError("jobs are for runs that are described by data, see custom.workflows.config_runs")
            arguments["runs"] = arguments["runs"].made_from
        content = json.dumps({"class": type(self).__name__, "arguments": arguments}, default=str)
        write_json(self.work_dir / self.DESCRIPTION, json.loads(content))

    def close(self) -> None:
        """End the program with the status of a run that left scans out, where some run did."""
        line = "" if self.dry_run or self.status else self.closing()
        if line and is_first():
            raise ScansLeftOutError(line)

    def closing(self) -> str:
        """Which scans the runs left out, "" for none."""
        left_out = {record[self.noun]: record[LEFT_OUT] for record in self.records() if record.get(LEFT_OUT)}
        scans = [f"{Path(scan).name} ({run})" for run, reasons in left_out.items() for scan in reasons]
        return f"{len(scans)} scans left out: {', '.join(scans)}; reasons in the runs' record.json" if scans else ""

    def prepare(self) -> None:
        """What comes before the first run, on rank 0."""
        if self.is_alone():
            for file in self.work_dir.rglob(TEMPORARY_PREFIX + "*"):  # of a run that was killed while it wrote them
                if file.is_file():
                    file.unlink(missing_ok=True)
        self.compare_with_earlier_runs()

    def is_alone(self) -> bool:
        """Whether no process works on any run; one of a call that was killed soon ends, a job of a cluster goes on."""
        end = time.monotonic() + PATIENCE
        while any(is_in_use(task.folder, HIDDEN) for run in self.runs.values() for task in tasks_of(self, run)):
            if time.monotonic() > end:
                return False
            time.sleep(0.3)
        return True

    def plan(self) -> str:
        """What the selected runs would do."""
        lines = ["plan (nothing is run)"]
        for number, (name, run) in enumerate(self.runs.items(), start=1):
            if name in self.selected:
                lines.append(f"{number}. {name}" + (f" after {', '.join(run.needs)}" if run.needs else ""))
        return "\n".join(lines)

    def table(self, records: Sequence[dict[str, Any]]) -> str:
        """The records for the terminal."""
        return run_table(records)

    def report(self) -> None:
        """What is said after each run."""
        logger.info("%s", "\n" + self.table(self.records()))

    def select(self, only: str | int | Sequence[str | int], until: str | int) -> list[str]:
        """The names of the runs to do. Raises InputError: a name or number that is no run, or none is left."""
        names = list(self.runs)
        chosen = names if until in ("", None) else names[: self.index(until) + 1]
        if (wanted := NAMES_OR_NUMBERS.read(only)) == ["all"]:
            return chosen
        numbers = {self.index(one) for one in wanted}
        selected = [name for number, name in enumerate(chosen) if number in numbers]
        if not selected:
            raise InputError(
                f"no {self.noun} of {', '.join(wanted)} is left until {until!r}; pass other {self.option} or --until"
            )
        return selected

    def index(self, wanted: str | int) -> int:
        """The place of a run given by its name, or by its number from 1."""
        names, text = list(self.runs), str(wanted).strip()
        if text in names:
            return names.index(text)
        if text.isdigit() and 1 <= int(text) <= len(names):
            return int(text) - 1
        known = f"one of {', '.join(names)}, or a number from 1 to {len(names)}"
        raise InputError(f"{text!r} is no {self.noun}: pass {known}")

    def compare_with_earlier_runs(self) -> None:
        """Refuse, or redo, begun runs whose inputs are others now, and all that follow from them."""
        changed: dict[str, list[str]] = {}
        for name, run in self.runs.items():
            before = read_json(run.folder.inputs, None)
            if before is not None and (found := changes(before, self.inputs(name))):
                changed[name] = found
        if not changed:
            return
        first = next(iter(changed))
        what = f"{self.noun} {first} was begun with other settings or data: {shortened(changed[first])}"
        names = ", ".join(changed)
        if self.on_change == REFUSE:
            raise InputError(
                f"{what}. That would redo {names}: pass --on_change redo (their folders move to "
                f"{self.work_dir / 'replaced'}), undo the change, or pass another --work_dir"
            )
        for task in (one for name in changed for one in tasks_of(self, self.runs[name])):
            if is_in_use(task.folder, HIDDEN) or (self.executor and self.executor.is_running_already(task)):
                raise InputError(f"{what}, and a job still works on {task.name}: wait for it or cancel it")
        logger.warning("%s; redone: %s", what, names)
        for name in reversed(changed):  # so that a kill at any moment leaves the first, whose change is seen again
            self.put_aside(self.runs[name].folder.path)

    def put_aside(self, place: Path) -> Path:
        """Move a file or folder to `replaced`; returns its new path."""
        number = 1
        while (target := self.work_dir / "replaced" / f"{place.name}.{number}").exists():
            number += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        return place.rename(target)

    def inputs(self, name: str) -> dict[str, Any]:
        """What the result of a run follows from, the runs it needs included."""
        if name not in self._inputs:
            run = self.runs[name]
            follows = {need: digest(self.inputs(need)) for need in run.needs}
            content = {"version": __version__, **run.inputs(), "follows": follows}
            self._inputs[name] = json.loads(json.dumps(content))
        return self._inputs[name]

    def require(self, run: Run, coming: Collection[str] = ()) -> None:
        """Raises InputError: a run that this one needs is not done, nor among those that are about to be."""
        for need in run.needs:
            if need not in coming and not self.runs[need].folder.is_done():
                what = f"{self.noun} {run.name} needs {self.noun} {need}, which is not done"
                raise InputError(f"{what}: run that one first ({self.option} {need}, or all)")

    def begin(self, run: Run) -> None:
        """Write what the run follows from, before anything else of it."""
        logger.info("%s %s", self.noun, run.name)
        self.keep_inputs(run)
        (run.folder.path / JOB_END).unlink(missing_ok=True)
        known = read_json(run.folder.record, {self.noun: run.name, "needs": list(run.needs), "begun": now()})
        write_json(run.folder.record, {**known, **run.description(), "state": RUNNING})

    def keep_inputs(self, run: Run) -> None:
        """Write what the run follows from, if an earlier call did not."""
        if not run.folder.inputs.exists():
            write_json(run.folder.inputs, self.inputs(run.name))

    def finish(self, run: Run) -> None:
        """Write the record of the run, which is then done."""
        done = {**run.description(), **run.result(), "state": DONE, "finished": now(), "versions": versions()}
        write_json(run.folder.record, {**read_json(run.folder.record, {}), **done})
        run.clean()

    def records(self) -> list[dict[str, Any]]:
        """The record of every run, in order; of one not begun only its name and state."""
        return [read_json(run.folder.record, {self.noun: run.name, "state": NOT_BEGUN}) for run in self.runs.values()]

    def state(self) -> str:
        """The state of every run; a record still says "running" where its run was killed."""
        records = [one | {"state": self.state_of(one)} for one in self.records()]
        return "\n" + self.table(records)

    def state_of(self, record: dict[str, Any]) -> str:
        """The state of the run of a record."""
        folder = self.runs[record[self.noun]].folder.path
        if record["state"] != RUNNING or is_in_use(folder, HIDDEN):
            return str(record["state"])
        if (folder / JOB_END).exists():
            return FAILED
        return RUNNING if is_in_use(self.work_dir) else INTERRUPTED


def run_chains(chains: Sequence[Chain]) -> None:
    """Do the selected runs of some chains, all where the first one says.

    Raises InputError: one line on what cannot go on and the remedy; everything finished is kept.
    """
    executor = make_executor(*chains[0].where)
    with ExitStack() as held:
        for chain in chains:
            chain.executor = executor
            held.enter_context(chain.opened())
        if executor is None:
            for chain in chains:
                chain.do_all()
            return
        for chain in chains:
            chain.write_description()
        Schedule(chains, executor).work()
