"""Run a command and measure its efficiency as FLARE does: time, GPU memory and CPU sampled every 0.1 s."""

import logging
import os
import shlex
import shutil
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil

from ..engines.writable_folders import make_writable
from ..errors import InputError
from ..io.atomic_write import write_json
from ..metrics.resource_use import FLARE_GPU_MB, flare_tolerances_kept, resource_use
from ..reports.resource_curves import describe_resource_use, draw_resource_curves

logger = logging.getLogger(__name__)

MB = 2**20
LONGEST_INTERVAL = 3600
_FIRST_READING = 15.0  # seconds: nvidia-smi wakes a sleeping driver


def measure(
    command: str, output: str | Path = "usage.json", cases: int = 1, interval: float = 0.1, gpus: str | None = None
) -> None:
    """Run a command and measure its time, its GPU memory, its CPU utilisation and its memory.

    The command is one quoted argument, quoted within as for a shell (no shell runs it: no pipes, no wildcards):

        python -m custom measure "python -m monai.bundle run --config_file configs/inference.yaml" --output usage.json

    Writes the figures as JSON and, next to it, their curves as PNG, logs them with FLARE23's tolerances (15 s a case,
    4 GB of GPU memory) and ends with the exit status of the command. GPU memory and CPU are those of the whole
    machine, as FLARE measures them: leave it otherwise idle. MB are 2^20 bytes.

    Args:
        command: what to run.
        output: the JSON file.
        cases: how many cases the command works on: time and areas are also given per case.
        interval: seconds between two samples.
        gpus: the GPUs to measure, numbers as nvidia-smi's, "0" or "0,1"; by default all.

    Raises:
        InputError: the command is not found or cannot start, or the output cannot be written.
        SystemExit: with the command's exit status, unless that is 0; 128 + n after signal n, as in a shell.
    """
    arguments = split_command(command)
    if cases < 1 or not 0 < interval <= LONGEST_INTERVAL:
        allowed = f"give at least one case and an interval above 0 up to {LONGEST_INTERVAL} s"
        raise InputError(f"measure: {cases} cases every {interval} s; {allowed}")
    if Path(output).is_dir():
        raise InputError(f"measure: --output {output} is a folder; pass the JSON file to write")
    picture = Path(output).with_suffix(".png")
    if picture == Path(output):
        raise InputError(f"measure: {output} is where the picture goes; give --output a name that ends with .json")
    make_writable(str(picture.parent), remedy="pass another --output")
    with _gpu_memory(interval, gpus) as latest:
        before = dict(sorted(latest.items()))
        status, samples = _run_and_sample(arguments, interval, lambda: [latest[number] for number in before])
    times, cpu_percent, memory_mb = (np.array(column) for column in zip(*(row[:3] for row in samples), strict=True))
    gpu_mb = np.array([row[3] for row in samples], dtype=float) if before else None
    use = resource_use(times, cpu_percent, memory_mb, gpu_mb, cases)
    if use["gpu"]:
        use["gpu"] |= {"before_mb": sum(before.values()), "numbers": list(before)}
    tolerances = flare_tolerances_kept(use)
    head = {"command": command, "exit_status": status, "interval_s": interval, "cores": os.cpu_count()}
    write_json(output, {**head, **use, "flare23_tolerances": tolerances})
    title = textwrap.shorten(command, 100)
    draw_resource_curves(picture, times, cpu_percent, memory_mb, gpu_mb, list(before), FLARE_GPU_MB, title)
    for line in describe_resource_use(use, tolerances):
        logger.info("%s", line)
    logger.info("written: %s, %s", output, picture)
    if status:
        logger.error("the command failed with exit status %d: the figures are those of the failed run", status)
        raise SystemExit(status)


def split_command(command: str) -> list[str]:
    """The words of a command, the first of which is a program that exists.

    Raises InputError: for an empty command, quotes without end or a program that is not found.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"measure: {command!r} cannot be split into words ({error}); mend its quotes") from error
    if not words:
        raise InputError('measure: the command is empty; pass it as one argument, "python -m ..."')
    if shutil.which(words[0]) is None:
        what = f"measure: no program {words[0]!r} is found, of the command {command!r}"
        raise InputError(f"{what}; pass program and options as one quoted argument")
    return words


Sample = tuple[float, float, float, list[float]]  # seconds, CPU %, memory MB, MB on each GPU


def _run_and_sample(
    arguments: list[str], interval: float, gpu_memory: Callable[[], list[float]]
) -> tuple[int, list[Sample]]:
    """Exit status of the command and one sample per interval, the last at its end."""
    samples: list[Sample] = []
    psutil.cpu_percent()  # utilisation counts from one call to the next
    start = time.perf_counter()
    try:
        process = psutil.Popen(arguments)
    except OSError as error:
        raise InputError(f"measure: {arguments[0]} cannot be started ({error.strerror})") from error
    status: int | None = None
    try:
        while status is None:
            now = time.perf_counter() - start
            with suppress(psutil.TimeoutExpired):
                status = process.wait((now // interval + 1) * interval - now)
            now = time.perf_counter() - start
            samples.append((now, psutil.cpu_percent(), _memory_of_tree(process), gpu_memory()))
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return (status if status >= 0 else 128 - status), samples


def _memory_of_tree(root: psutil.Process) -> float:
    """Resident memory in MB of a process and all that it started; pages that they share count for each."""
    total = 0
    with suppress(psutil.Error):
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                total += process.memory_info().rss
    return total / MB


@contextmanager
def _gpu_memory(interval: float, gpus: str | None = None) -> Iterator[dict[int, float]]:
    """Number of a GPU -> MB in use on it, kept up to date by an nvidia-smi that runs along; without one empty."""
    latest: dict[int, float] = {}
    program = shutil.which("nvidia-smi")
    if program is None:
        yield latest
        return
    arguments = [
        *(program, "--query-gpu=index,memory.used", "--format=csv,noheader,nounits"),
        f"--loop-ms={max(1, round(1000 * interval))}",
        *([f"--id={gpus}"] if gpus else []),
    ]
    # Into a pipe its lines could wait for a full buffer, which takes minutes; a terminal gets each at once.
    output, end = os.openpty() if hasattr(os, "openpty") else os.pipe()
    process = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=end, stderr=subprocess.DEVNULL, start_new_session=True
    )
    os.close(end)
    complete = threading.Event()  # once the first GPU comes again, there is a reading of each

    def follow() -> None:
        # The end of a terminal's other side is an error on Linux.
        with suppress(OSError), os.fdopen(output, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with suppress(ValueError):  # a title, a message, "[N/A]"
                    number, used = line.split(",")
                    if int(number) in latest:
                        complete.set()
                    latest[int(number)] = float(used)
        complete.set()

    threading.Thread(target=follow, daemon=True).start()
    try:
        complete.wait(_FIRST_READING)
        if not latest:
            logger.warning("%s gives no readings: GPU memory is not measured", program)
        yield latest
        if latest and process.poll() is not None:
            logger.warning("nvidia-smi ended before the command: its last readings are used for the rest of the time")
    finally:
        process.terminate()
        process.wait()
