"""Two real processes of one group, joined by gloo."""

import json
import multiprocessing
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist

PATIENCE = 60  # seconds


def in_two_processes(function: Callable[[], Any], folder: Path) -> list[Any]:
    """What `function` returns (as JSON) in each of two processes of one group; forked, for a start without imports."""
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=run_joined, args=(function, folder, number)) for number in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(PATIENCE)
        if child.is_alive():
            child.kill()
    faults = [file.read_text() for file in sorted(folder.glob("fault_*.txt"))]
    assert not faults, "\n".join(faults)
    assert [child.exitcode for child in children] == [0, 0]
    return [json.loads((folder / f"result_{number}.json").read_text()) for number in range(2)]


def run_joined(function: Callable[[], Any], folder: Path, number: int) -> None:
    try:
        dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=number, world_size=2)
        (folder / f"result_{number}.json").write_text(json.dumps(function()))
        dist.barrier()  # the first keeps the store until the other is done
        dist.destroy_process_group()
    except BaseException:
        (folder / f"fault_{number}.txt").write_text(traceback.format_exc())
        raise
