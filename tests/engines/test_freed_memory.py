"""Pages that the system has to fill again, counted in a process of its own, as the setting is for a whole process."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys, torch
from custom.engines.freed_memory import keep_freed_memory
keep_freed_memory(sys.argv[1])
def fill():
    torch.ones(8 * 2**20)  # 32 MB
for _ in range(3):
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    fill()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / 2**20)
"""


def refilled_mb(device: str, cwd) -> float:
    done = subprocess.run([sys.executable, "-c", COUNT, device], capture_output=True, text=True, check=True, cwd=cwd)
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's allocator")
def test_a_training_on_the_cpu_uses_the_same_memory_again(project):
    """20 times 32 MB."""
    assert refilled_mb("cpu", project) < 32 < refilled_mb("cuda", project)
