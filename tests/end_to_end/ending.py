"""Programs that do not outlive the tests, however these end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WATCH = """
import os, signal, sys
from contextlib import suppress
import psutil

number = int(sys.argv[1])
print(flush=True)  # watching
sys.stdin.read()  # ends when whoever started this closes it, or ends
family = []
with suppress(psutil.NoSuchProcess):
    program = psutil.Process(number)
    family = [program, *program.children(recursive=True)]  # torchrun's are of other groups
with suppress(ProcessLookupError):
    os.killpg(number, signal.SIGKILL)
for process in family:
    with suppress(psutil.NoSuchProcess):
        process.kill()
"""


@contextmanager
def ending_with_us(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A running program that is killed, with all it started, when the block ends or this process does.

    Also when a signal ends this process, after which no code of its own would run: another process waits for that.

    Args:
        command: the program and its arguments.
        options: of subprocess.Popen.
    """
    program = subprocess.Popen(command, start_new_session=True, **options)
    watch = [sys.executable, "-c", WATCH, str(program.pid)]
    watcher = subprocess.Popen(watch, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        watcher.stdout.readline()
        yield program
    finally:
        watcher.communicate()
        program.wait()
