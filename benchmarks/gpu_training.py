"""Patches a second and peak memory of a training step on a GPU, at the settings of both papers.

    python benchmarks/gpu_training.py [--seconds 240] [--steps 10]

Each row is a bundle's own train.yaml with a plan, on a random batch that lies on the device: forward, loss, backward,
clipping, optimizer step, after three steps that are not counted. float32 is without TF32; amp is the bundle's mixed
precision; compiled is amp with `torch.compile`. Rows that no longer fit into `--seconds` are left out and named.
Without a GPU the rows are those of the CPU, for trying the script: take `--plans batseg_spine/hippocampus`.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone

import torch
from training_step import make_step, seconds

PLANS = ("batseg_spine/spine", "batseg_spine/knight", "flare_pseudolabel/big", "flare_pseudolabel/small")
MODES = ("amp", "float32", "compiled")


def main() -> None:
    """Measure and print row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", nargs="+", default=PLANS, help="BUNDLE/PLAN")
    parser.add_argument("--steps", type=int, default=10, help="counted steps of each row")
    parser.add_argument("--seconds", type=float, default=240, help="start no row after that time")
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds
    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} threads"
    print(f"{datetime.now(timezone.utc):%Y-%m-%d}, {device}, torch {torch.__version__}, batch 2")
    print("| plan | precision | distance head | patches/s | step, ms | peak memory, MiB |\n|---|---|---|---|---|---|")
    for mode in MODES:
        for plan in arguments.plans:
            heads = (True, False) if plan.startswith("batseg_spine") and mode == "amp" else (True,)
            for head in heads:
                row = f"| {plan} | {mode} | {'yes' if head and plan.startswith('batseg') else 'no'} |"
                left = end - time.monotonic()
                figures = measured(plan, mode, head, arguments.steps) if left > 0 else "left out, no time | | |"
                print(row, figures, flush=True)


def measured(plan: str, mode: str, head: bool, steps: int) -> str:
    """The figures of a row, or why there are none."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    bundle, name = plan.split("/")
    try:
        step = make_step(name, [] if head else ["baseline"], 2, str(mode != "float32"), bundle, mode == "compiled")
        return figures_of(step, steps)
    except torch.cuda.OutOfMemoryError:
        return "out of memory | | |"
    except Exception as error:  # such as a compiler that is missing: the other rows are measured all the same
        traceback.print_exc()
        return f"{type(error).__name__} | | |"


def figures_of(step: Callable[[], None], steps: int) -> str:
    """Patches a second, milliseconds and MiB of a step on two patches."""
    for _ in range(3):
        step()
    median = statistics.median(seconds(step) for _ in range(steps))
    peak = f"{torch.cuda.max_memory_allocated() / 2**20:.0f}" if torch.cuda.is_available() else "-"
    return f"{2 / median:.2f} | {1000 * median:.1f} | {peak} |"


if __name__ == "__main__":
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    main()
