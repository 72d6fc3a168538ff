"""A SLURM cluster of one node, this machine, of Debian's slurm-wlm and munge, with everything in one folder."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun", "scancel", "sinfo")
CPUS = 2
PATIENCE = 60  # seconds
CONFIG = """
ClusterName=test
SlurmctldHost={host}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
# neither control groups nor accounts, which containers and small clusters lack
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """What is not installed; Debian keeps the daemons in /usr/sbin."""
    return [name for name in PROGRAMS if program(name) is None]


def program(name: str) -> str | None:
    """Where a program is."""
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"]))


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """The cluster runs, and its commands find it by SLURM_CONF in the environment.

    Args:
        folder: an empty folder, of a short name: addresses of sockets have 107 bytes.
    """
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    host = socket.gethostname().split(".")[0]
    config = folder / "slurm.conf"
    config.write_text(
        CONFIG.format(host=host, user=getpass.getuser(), folder=folder, ports=[free_port(), free_port()], cpus=CPUS)
    )
    munge = ["--socket", folder / "munge.socket", "--key-file", key, "--log-file", folder / "munge.log"]
    munge += ["--pid-file", folder / "munge.pid", "--seed-file", folder / "munge.seed", "--foreground", "--force"]
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(config)
    with contextlib.ExitStack() as running:
        running.callback(restore, before)
        for name, arguments in (("munged", munge), ("slurmctld", ["-D"]), ("slurmd", ["-D", "-N", host])):
            running.callback(end, start(name, arguments, folder))
        until(lambda: "idle" in said("sinfo", "--noheader", "--format=%T"), folder)
        running.callback(said, "scancel", f"--user={getpass.getuser()}")
        yield


def start(name: str, arguments: list, folder: Path) -> subprocess.Popen:
    """Start a daemon in the foreground."""
    with (folder / f"{name}.out").open("w") as output:
        return subprocess.Popen([program(name), *map(str, arguments)], stdout=output, stderr=output)


def end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def restore(config: str | None) -> None:
    os.environ.pop("SLURM_CONF")
    if config is not None:
        os.environ["SLURM_CONF"] = config


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def until(condition, folder: Path) -> None:
    end_of_patience = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end_of_patience:
            logs = [*folder.glob("*.log"), *folder.glob("*.out")]
            raise AssertionError("\n".join(f"{log.name}: {log.read_text()[-1000:]}" for log in logs))
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
