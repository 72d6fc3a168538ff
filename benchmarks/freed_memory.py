"""What it saves a training on the CPU that glibc keeps freed memory, process by process, compared with its default.

    python benchmarks/freed_memory.py --plan hippocampus

Both sides are `training_step.py`'s step of train.yaml on a random batch, in a process of its own, as the setting is for
a whole process. They take turns, so that a drift of the machine's speed cancels out; the figure is the median of the
pairwise ratios.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
from datetime import datetime, timezone

import torch
from tqdm import tqdm
from training_step import make_step, seconds

from custom.engines import keep_freed_memory


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", default="hippocampus", help="of batseg_spine, or a file")
    parser.add_argument("--pairs", type=int, default=5, help="of processes")
    parser.add_argument("--steps", type=int, default=10, help="counted in each process, after two that are not")
    parser.add_argument("--one", choices=["kept", "default"], help=argparse.SUPPRESS)  # a process of a pair
    return parser.parse_args()


def measure(plan: str, steps: int, kept: bool) -> tuple[float, float]:
    """Seconds of a step, the median, and the peak of the process's memory in MB."""
    if kept:
        keep_freed_memory(torch.device("cpu"))
    step = make_step(plan, [], batch_size=2, amp="true")
    times = [seconds(step) for _ in range(steps + 2)][2:]
    return statistics.median(times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    arguments = parse_arguments()
    if arguments.one:
        print(json.dumps(measure(arguments.plan, arguments.steps, arguments.one == "kept")))
        return
    command = [sys.executable, __file__, "--plan", arguments.plan, "--steps", str(arguments.steps), "--one"]
    results: dict[str, list[list[float]]] = {"kept": [], "default": []}
    for number in tqdm(range(arguments.pairs)):
        for side in ("kept", "default") if number % 2 else ("default", "kept"):
            done = subprocess.run([*command, side], capture_output=True, text=True, check=True)
            results[side].append(json.loads(done.stdout.splitlines()[-1]))
    ratios = [ours[0] / base[0] for ours, base in zip(results["kept"], results["default"], strict=True)]
    machine = platform.processor() or platform.machine()
    print(f"{datetime.now(timezone.utc):%Y-%m-%d}, {machine}, {torch.get_num_threads()} threads, plan {arguments.plan}")
    for side, values in results.items():
        time, memory = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"freed memory {side:8}  {time:.4f} s a step, peak {memory:.0f} MB (medians)")
    print(f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
