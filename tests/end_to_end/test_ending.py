"""A test run that is ended by a signal leaves no server behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from .ending import ending_with_us

PATIENCE = 60  # seconds
# a launcher, a server that it starts, and a process that this starts in a session of its own, as torchrun does
FAMILY = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
processes = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
print(" ".join(str(process.pid) for process in processes) + "\\n", end="", flush=True)
time.sleep(600)
"""
TESTS = f"""
import signal, sys, time
from tests.end_to_end.ending import ending_with_us

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
with ending_with_us([sys.executable, "-c", {FAMILY!r}]) as program:
    print(f"{{program.pid}}\\n", end="", flush=True)
    time.sleep(600)
"""


def wait_for_end(numbers: list[int]) -> None:
    until = time.monotonic() + PATIENCE
    while any(map(lives, numbers)):
        assert time.monotonic() < until
        time.sleep(0.05)


def lives(number: int) -> bool:
    """A zombie has ended; whoever takes it over may leave it one."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_signal_to_the_tests_ends_what_they_started(project, number):
    tests = subprocess.Popen([sys.executable, "-c", TESTS], cwd=project, stdout=subprocess.PIPE, text=True)
    family = [int(word) for _ in range(2) for word in tests.stdout.readline().split()]
    assert len(family) == 3
    assert all(map(lives, family))
    tests.send_signal(number)
    tests.wait(PATIENCE)
    wait_for_end(family)


def test_the_end_of_the_block_ends_all(tmp_path: Path):
    with (tmp_path / "numbers").open("w") as file, ending_with_us([sys.executable, "-c", FAMILY], stdout=file) as one:
        until = time.monotonic() + PATIENCE
        while not (words := (tmp_path / "numbers").read_text().split()):
            assert time.monotonic() < until
            time.sleep(0.05)
        family = [one.pid, *map(int, words)]
        assert all(map(lives, family))
    wait_for_end(family)
