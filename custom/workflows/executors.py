"""Where the runs of a chain run: in processes on this machine, or as jobs of a SLURM cluster."""

import logging
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..errors import InputError
from ..processes import world_size
from .jobs import WITH_PARENT, Executor, Task, job_environment
from .slurm_executor import SlurmExecutor

logger = logging.getLogger(__name__)

AUTO, GPUS = "auto", "gpus"
LOCAL, SLURM = "local", "slurm"
MOST_QUEUED = 10_000
PATIENCE = 5  # seconds for a process to end


class LocalExecutor(Executor):
    """Processes on this machine, one GPU each where there are several; they end when this one does.

    Those of submitit's `LocalExecutor` outlive the process that starts them, and are two for each task.
    """

    pause = 0.1

    def __init__(self, most: int, gpus: Sequence[str]) -> None:
        super().__init__(most)
        self.processes: dict[Task, subprocess.Popen[bytes]] = {}
        self.gpus = {slot: gpus[slot % len(gpus)] for slot in range(most)} if len(gpus) > 1 else {}
        self.slots: dict[Task, int] = {}

    def start(self, task: Task) -> str:
        """Start a process in a session of its own, so that Ctrl-C reaches it through us alone."""
        slot = min(set(range(self.most)) - set(self.slots.values()))
        environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // self.most)), **job_environment()}
        if slot in self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[slot]
        with task.log.open("ab") as log:
            self.processes[task] = subprocess.Popen(
                task.command(WITH_PARENT),
                env=environment,
                stdin=subprocess.PIPE,  # whose end, however we end, ends the process
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.slots[task] = slot
        return f"on GPU {self.gpus[slot]}" if slot in self.gpus else f"as process {self.processes[task].pid}"

    def how_it_ended(self, task: Task) -> str | None:
        """With which status."""
        status = self.processes[task].poll()
        if status is None:
            return None
        self.end(task)
        return f"its process was ended by signal {-status}" if status < 0 else f"its process ended with status {status}"

    def end(self, task: Task) -> None:
        """End the process of a task."""
        process = self.processes.pop(task)
        del self.slots[task]
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End all processes."""
        for task in list(self.processes):
            self.end(task)


def visible_gpus() -> list[str]:
    """The GPUs of this machine that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return list(map(str, range(torch.cuda.device_count())))
    return [one for one in named.split(",") if one not in ("", "-1")]


def make_executor(
    jobs: int | str = AUTO, cluster: str = LOCAL, slurm: Mapping[str, Any] | None = None
) -> Executor | None:
    """What starts the runs of a chain; None: they run in this process, one after another.

    Args:
        jobs: how many at once; "gpus": one on each GPU of this machine; "auto": one after another on this machine, all
            that are ready on a cluster.
        cluster: "local" or "slurm".
        slurm: what the jobs ask the cluster for, see `custom.workflows.slurm_executor.SlurmExecutor`.

    Raises InputError: the machine has no GPU, or SLURM, or this process is one of several that work together.
    """
    if cluster not in (LOCAL, SLURM):
        raise InputError(f"cluster is {cluster!r}; pass {LOCAL} or {SLURM}")
    if cluster == LOCAL and slurm:
        logger.warning("slurm is %s, which is for --cluster slurm; the runs are done on this machine", dict(slurm))
    if cluster == LOCAL and str(jobs) in (AUTO, "1"):
        return None
    if world_size() > 1:
        raise InputError(f"jobs is {jobs}, cluster {cluster}: they start processes of their own; leave torchrun out")
    if cluster == SLURM and jobs == GPUS:
        raise InputError(f"jobs is {GPUS}, of this machine; for a cluster pass --slurm \"{{'gpus_per_node': 1}}\"")
    if cluster == SLURM:
        return SlurmExecutor(MOST_QUEUED if jobs == AUTO else int(jobs), slurm or {})
    gpus = visible_gpus()
    if jobs == GPUS and not gpus:
        raise InputError(f"jobs is {GPUS}, but this machine has none; pass a number")
    return LocalExecutor(len(gpus) if jobs == GPUS else int(jobs), gpus)
