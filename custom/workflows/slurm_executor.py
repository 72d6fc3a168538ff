"""Runs as jobs of a SLURM cluster, by submitit; they outlive the process that submits them, and are found again."""

import getpass
import logging
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import InputError
from ..io.atomic_write import write_json
from ..io.json_file import read_json
from ..io.optional_package import needed_package
from .jobs import Executor, Task, job_environment
from .record import now

logger = logging.getLogger(__name__)

JOB_FILE = "job.json"  # in a task's folder: the job that does it
ASKED_EVERY = 20  # seconds: SLURM's controller serves all users
DEFAULTS = {"timeout_min": 24 * 60}  # submitit's own are five minutes
WHICH_CLUSTER = ("SLURM_CONF", "SLURM_CLUSTERS")
MOST_TIMEOUTS = 100  # of one job, which is queued again after each: it goes on where it was
# the job's own signal is submitit's, which has SLURM queue it again; the run works on until it is killed
SHELL = 'trap "" USR2; exec "$@" >> "$0" 2>&1'


class SlurmExecutor(Executor):
    """Jobs of a SLURM cluster.

    Args:
        most: jobs in the queue at once.
        settings: partition, gpus_per_node, cpus_per_task, mem_gb, timeout_min, ... as of submitit's `SlurmExecutor`;
            max_num_timeout: how often a job may run into timeout_min, after which it is queued again.

    Raises InputError: submitit or SLURM is not installed, or a setting is unknown.
    """

    pause = 2.0

    def __init__(self, most: int, settings: Mapping[str, Any]) -> None:
        super().__init__(most)
        self.submitit = needed_package("submitit", "submitit", "cluster: slurm")
        self.settings = {**DEFAULTS, **settings}
        self.queue: dict[str, str] = {}  # id -> name of this user's unfinished jobs
        self.asked = -float(ASKED_EVERY)
        self.missing: dict[Task, float] = {}  # when SLURM first did not know its job
        with TemporaryDirectory() as folder:
            self.submitter(Path(folder), "")

    def submitter(self, folder: Path, name: str) -> Any:
        """Submits with our settings and keeps its files in a folder. Raises InputError: as of the class."""
        settings = dict(self.settings)
        most_timeouts = settings.pop("max_num_timeout", MOST_TIMEOUTS)
        try:
            made = self.submitit.SlurmExecutor(folder, max_num_timeout=int(most_timeouts))
            made.update_parameters(**made._convert_parameters({**settings, "name": name}))
        except (RuntimeError, ValueError, TypeError) as error:
            raise InputError(f"slurm: {' '.join(str(error).split())[:300]}") from error
        return made

    def is_running_already(self, task: Task) -> bool:
        """Whether a job of the task is in the queue. Raises InputError: SLURM does not answer."""
        if not self.ask():
            raise InputError("squeue does not answer, so jobs that still run cannot be found: try again later")
        return self.is_queued(task)

    def is_queued(self, task: Task) -> bool:
        """Whether the job of a task was in the queue when SLURM was last asked."""
        job = str(read_json(task.folder / JOB_FILE, {}).get("id"))
        return self.queue.get(job) == job_name(task)

    def start(self, task: Task) -> str:
        """Submit a job."""
        helpers = needed_package("submitit.helpers", "submitit", "cluster: slurm")

        class Command(helpers.CommandFunction, helpers.Checkpointable):  # type: ignore[name-defined]
            """A command that is queued again where it ran out of time."""

        path = f"PYTHONPATH={job_environment()['PYTHONPATH']}"
        # submitit pickles this list of words, and nothing else; the job alone reads that file
        command = Command(["sh", "-c", SHELL, str(task.log), "env", path, *task.command()], cwd=Path.cwd())
        cluster = {key: os.environ[key] for key in WHICH_CLUSTER if key in os.environ}
        try:
            with helpers.clean_env():  # of the job in which this process may run itself
                os.environ.update(cluster)
                job = self.submitter(task.folder / "slurm", job_name(task)).submit(command)
        except self.submitit.core.utils.FailedJobError as error:
            said = " ".join(str(error).split())
            raise InputError(f"sbatch refuses {task.name}: {said}; correct slurm, the same command goes on") from error
        write_json(task.folder / JOB_FILE, {"id": job.job_id, "name": job_name(task), "submitted": now()})
        self.queue[job.job_id] = job_name(task)
        return f"is job {job.job_id}"

    def how_it_ended(self, task: Task) -> str | None:
        """By its last words, or that SLURM knows its job no more."""
        if task.end.exists():
            return "its job has ended"
        if not self.ask() or self.is_queued(task):
            self.missing.pop(task, None)
            return None
        # the last words may still be on their way through a file system of several machines
        if time.monotonic() - self.missing.setdefault(task, time.monotonic()) < ASKED_EVERY:
            return None
        job = read_json(task.folder / JOB_FILE, {}).get("id")
        return f"its job {job} is gone from the queue: cancelled, or killed by SLURM for its time or memory"

    def ask(self) -> bool:
        """Ask SLURM, not too often, for the queue; returns whether it is known.

        By squeue: submitit asks sacct, which knows nothing where a cluster keeps no accounts.
        """
        if time.monotonic() - self.asked < ASKED_EVERY:
            return True
        command = ["squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%A %j"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode:
            logger.info("squeue does not answer: %s", found.stderr.strip())
            return False
        self.asked = time.monotonic()
        self.queue = {job: name for job, _, name in (line.partition(" ") for line in found.stdout.splitlines())}
        return True


def job_name(task: Task) -> str:
    """As the queue shows it."""
    return task.name.replace(" ", ".")
