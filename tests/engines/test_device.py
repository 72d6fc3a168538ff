"""Where and how a run computes."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from custom.engines import (
    amp_options,
    cpu_autocast,
    default_device,
    join_processes,
    join_processes_if_any,
    uses_amp,
    world_size,
)
from custom.errors import InputError


def test_device_follows_the_machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert default_device().type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert default_device().type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert default_device() == torch.device("cuda", 3)


@pytest.mark.parametrize(("device", "expected"), [("cuda:1", True), ("cpu", False), ("mps", False)])
def test_mixed_precision_on_cuda_only(device, expected):
    assert uses_amp(True, device) is expected
    assert not uses_amp(False, device)


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_bfloat16_where_the_gpu_computes_in_it(monkeypatch, native, dtype):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert amp_options() == {"dtype": dtype}


def test_one_process_alone():
    assert world_size() == 1


@pytest.mark.parametrize(
    ("wanted", "device", "instructions", "dtype"),
    [
        (True, "cpu", "amx_bf16", torch.bfloat16),
        (True, "cpu", "avx512_bf16", torch.bfloat16),
        (False, "cpu", "amx_bf16", None),
        (True, "cpu", "avx512_f", None),
        (True, "cuda", "amx_bf16", None),
    ],
)
def test_bfloat16_on_cpus_with_instructions_for_it_only(monkeypatch, wanted, device, instructions, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {instructions: True}, raising=False)
    assert cpu_autocast(wanted, device) == dtype


@pytest.mark.parametrize("processes", [None, "1"])
def test_a_run_of_one_process_joins_nobody(monkeypatch, processes):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    if processes:
        monkeypatch.setenv("WORLD_SIZE", processes)
    join_processes_if_any()
    assert not dist.is_initialized()


def test_processes_of_torchrun_join_and_wait_for_days(monkeypatch):
    """While one labels a thousand cases another may have finished."""
    joined = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(dist, "init_process_group", lambda **options: joined.append(options))
    join_processes_if_any()
    assert joined == [{"backend": "gloo", "timeout": timedelta(days=30)}]
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    join_processes_if_any()
    assert len(joined) == 1, "those joined already stay"


ONE_OF_ONE = """
import glob, os, torch
from custom.engines import join_processes, leave_processes
os.environ.update(RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
def threads():
    return [name for name in map(lambda path: open(path).read(), glob.glob("/proc/self/task/*/comm")) if "gloo" in name]
join_processes()
network = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 3))
network(torch.rand(2, 3)).sum().backward()
before = len(threads())
leave_processes()
print(before, len(threads()), network.module.weight.shape)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux lists them")
def test_no_thread_of_the_group_outlives_it():
    """One that does may abort the process when Python ends, though the network is still there."""
    command = [sys.executable, "-c", ONE_OF_ONE]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    before, after, weights = result.stdout.split(maxsplit=2)
    assert int(before) > 0
    assert int(after) == 0
    assert weights == "torch.Size([3, 3])\n"


def test_several_processes_without_torchrun_are_one_line():
    with pytest.raises(InputError, match=r"^the processes cannot be joined \(.*RANK.*\): start them by torchrun"):
        join_processes()
