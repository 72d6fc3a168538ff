"""Runs of chains at once, each in a process of its own: on this machine, or as jobs of a SLURM cluster."""

from __future__ import annotations

import logging
import os
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .record import JOB_END, JOB_LOG
from .run import Run

if TYPE_CHECKING:
    from .chain import Chain

logger = logging.getLogger(__name__)

PROGRAM = __name__.removesuffix("s")  # custom.workflows.job, which a released bundle has under another name
WITH_PARENT = "with_parent"  # a process that ends when the one that started it does


@dataclass(frozen=True)
class Task:
    """A run of a chain, or a part of it, to be done in a process of its own."""

    chain: Chain
    run: Run
    part: str = ""

    @property
    def name(self) -> str:
        """For messages."""
        return " ".join(filter(None, [self.chain.label, self.run.name, self.part]))

    @property
    def folder(self) -> Path:
        """Where its log and its job are."""
        return self.run.folder.path / "jobs" / self.part if self.part else self.run.folder.path

    @property
    def log(self) -> Path:
        """Everything that its process says."""
        return self.folder / JOB_LOG

    @property
    def end(self) -> Path:
        """Written by its process in the end: the line that it failed with, or nothing."""
        return self.folder / JOB_END

    def is_done(self) -> bool:
        """Whether nothing of it is left."""
        return self.run.is_part_done(self.part) if self.part else self.run.folder.is_done()

    def command(self, *more: str) -> list[str]:
        """What its process is started with; see `custom.workflows.job`."""
        return [sys.executable, "-m", PROGRAM, str(self.chain.work_dir), self.run.name, self.part, *more]


def tasks_of(chain: Chain, run: Run) -> list[Task]:
    """The run, and those of its parts that were begun."""
    return [Task(chain, run), *(Task(chain, run, folder.name) for folder in (run.folder.path / "jobs").glob("*"))]


class Executor(ABC):
    """Where tasks run, at most `most` of them at once."""

    pause: float  # seconds between two looks at the tasks

    def __init__(self, most: int) -> None:
        self.most = most

    def is_running_already(self, task: Task) -> bool:
        """Whether an earlier process has started the task, which goes on."""
        return False

    @abstractmethod
    def start(self, task: Task) -> str:
        """Start a task; returns where, in words."""

    @abstractmethod
    def how_it_ended(self, task: Task) -> str | None:
        """In words, once a started task's process has ended; None before."""

    def close(self) -> None:  # noqa: B027  a cluster's jobs go on
        """End what should not go on without this process."""


def job_environment() -> dict[str, str]:
    """This process's environment, with the folder of this very package first on the path."""
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


class Schedule:
    """Starts each run of some chains once the runs it needs are done, its parts first; others go on where one fails."""

    def __init__(self, chains: Sequence[Chain], executor: Executor) -> None:
        self.chains, self.executor = chains, executor
        tasks = [Task(chain, chain.runs[name]) for chain in chains for name in chain.selected]
        self.waiting = [task for task in tasks if not task.is_done()]
        self.parts: dict[Task, deque[Task]] = {}  # of runs of which some are left
        self.running: list[Task] = []
        self.failed: dict[Task, str] = {}
        self.blocked: list[Task] = []  # which need those
        for task in (one for one in tasks if one not in self.waiting):
            task.run.clean()  # in case it was killed within that
        self.total, self.done = len(tasks), len(tasks) - len(self.waiting)

    def work(self) -> None:
        """Do all that can be done.

        Raises InputError: some runs failed; names them and their logs. Or one needs a run that nobody is to do.
        """
        for task in self.waiting:
            task.chain.require(task.run, {one.run.name for one in self.waiting if one.chain is task.chain})
        if not self.waiting:
            for chain in self.chains:
                chain.report()
        try:
            while True:
                self.settle()
                for task in self.ready():
                    if len(self.running) >= self.executor.most:
                        break
                    self.start(task)
                if not self.running:
                    break
                time.sleep(self.executor.pause)
        finally:
            self.executor.close()
        if self.failed:
            raise InputError(self.summary())

    def settle(self) -> None:
        """Take note of the tasks that have ended."""
        for task in list(self.running):
            how = self.executor.how_it_ended(task)
            if how is None:
                continue
            self.running.remove(task)
            if not task.is_done():
                self.fail(task, how)
            elif not task.part:
                self.done += 1
                task.chain.report()
            self.say()

    def fail(self, task: Task, how: str) -> None:
        """Note why a task failed, and what can not be done without its run."""
        run = Task(task.chain, task.run)
        said = task.end.read_text(encoding="utf-8").strip() if task.end.exists() else ""
        reason = said.removeprefix(f"{task.chain.noun} {task.run.name}: ").partition("\n")[0]
        self.failed[run] = f"{reason or how} (log: {task.log})"
        logger.warning("%s %s failed: %s", task.chain.noun, task.name, self.failed[run])
        self.waiting = [one for one in self.waiting if one != run]
        for one in list(self.waiting):
            lost = {other.run.name for other in [*self.failed, *self.blocked] if other.chain is one.chain}
            if lost.intersection(one.run.needs):
                self.waiting.remove(one)
                self.blocked.append(one)

    def ready(self) -> Iterator[Task]:
        """The tasks that may start now, in order."""
        for run in [one for one in self.waiting if self.may_begin(one)]:
            if run not in self.parts:
                run.chain.keep_inputs(run.run)
                self.parts[run] = deque(Task(run.chain, run.run, part) for part in run.run.parts())
            if self.parts[run]:
                yield from list(self.parts[run])
            elif not any(task.run is run.run for task in self.running):
                yield run

    def may_begin(self, task: Task) -> bool:
        """Whether all runs that a run needs are done, and no other is about to do parts of it."""
        to_begin = {one.run.name for one in self.waiting if one.chain is task.chain}
        to_end = to_begin | {one.run.name for one in self.running if one.chain is task.chain}
        return not (to_end.intersection(task.run.needs) or to_begin.intersection(task.run.shares))

    def start(self, task: Task) -> None:
        """Start a task, unless an earlier process did."""
        run = Task(task.chain, task.run)
        if task.part:
            self.parts[run].remove(task)
        else:
            self.waiting.remove(task)
        self.running.append(task)
        if self.executor.is_running_already(task):
            logger.info("%s %s runs already, log: %s", task.chain.noun, task.name, task.log)
            return
        task.folder.mkdir(parents=True, exist_ok=True)
        task.end.unlink(missing_ok=True)
        logger.info("%s %s %s, log: %s", task.chain.noun, task.name, self.executor.start(task), task.log)

    def say(self) -> None:
        """How far all is, in one line."""
        names = ", ".join(task.name for task in self.running) or "none"
        failed = f"; failed: {', '.join(task.name for task in self.failed)}" if self.failed else ""
        logger.info("%d of %d runs done; running: %s%s", self.done, self.total, names, failed)

    def summary(self) -> str:
        """Which runs failed, the first one's reason, and what was not begun."""
        first, *others = self.failed
        lines = [f"{first.chain.noun} {first.name}: {self.failed[first]}"]
        lines += [f"failed too: {', '.join(f'{one.name} (log: {one.log})' for one in others)}"] if others else []
        names = [task.name for task in self.blocked]
        lines += [f"not begun, as they need these: {', '.join(names)}"] if names else []
        return "; ".join([*lines, "what is finished is kept, the same command goes on"])
