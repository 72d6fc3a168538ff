"""What the distance head and its loss add to a training step, step by step, compared with the network without them.

    python benchmarks/training_step.py --plan hippocampus

Both sides are the bundle's own configs (train.yaml with the plan, with and without baseline.yaml) on a random batch:
forward, loss, backward, clipping, optimizer step. They take turns, so that a drift of the machine's speed cancels out;
the figure is the median of the pairwise ratios.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from tqdm import tqdm

BUNDLES = Path(__file__).resolve().parents[1] / "bundles"


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", default="hippocampus", help="of the bundle, or a file")
    parser.add_argument("--pairs", type=int, default=20, help="counted pairs of steps, after two that are not")
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--amp", default="true", help="false: float32 throughout")
    return parser.parse_args()


def make_step(
    plan: str, overlays: list[str], batch_size: int, amp: str, bundle: str = "batseg_spine", compiled: bool = False
) -> Callable[[], None]:
    """One training step of a bundle's config on a random batch."""
    root = BUNDLES / bundle
    parser = ConfigParser()
    parser.read_config([str(root / "configs" / f"{name}.yaml") for name in ["train", *overlays]])
    parser.update({"bundle_root": str(root), "plan": plan, "amp": amp})
    torch.manual_seed(0)
    network, loss, optimizer, inferer, device = (
        parser.get_parsed_content(name) for name in ("network", "loss", "optimizer", "train#inferer", "device")
    )
    network = torch.compile(network) if compiled else network
    use_amp, options = parser.get_parsed_content("use_amp"), parser.get_parsed_content("train#trainer#amp_kwargs")
    patch, classes = parser.get_parsed_content("patch_size"), parser.get_parsed_content("num_classes")
    image = torch.randn(batch_size, 1, *patch, device=device)
    target = {
        "label": torch.randint(0, classes, (batch_size, 1, *patch), device=device).float(),
        "surface_distance": torch.rand(batch_size, classes, *patch, device=device),
    }

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", enabled=use_amp, **options):
            value = loss(inferer(image, network), target)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimizer.step()
        if image.is_cuda:
            torch.cuda.synchronize()

    return step


def seconds(step: Callable[[], None]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    arguments = parse_arguments()
    with_head = make_step(arguments.plan, [], arguments.batch_size, arguments.amp)
    without = make_step(arguments.plan, ["baseline"], arguments.batch_size, arguments.amp)
    pairs = []
    for number in tqdm(range(arguments.pairs + 2)):
        first, second = (with_head, without) if number % 2 else (without, with_head)
        times = seconds(first), seconds(second)
        pairs.append(times if number % 2 else times[::-1])
    pairs = pairs[2:]
    ratios = sorted(ours / base for ours, base in pairs)
    device = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else f"{platform.processor() or platform.machine()}"
    )
    print(
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    print(f"plan {arguments.plan}, batch {arguments.batch_size}, amp {arguments.amp}, {len(pairs)} pairs")
    print(f"with distance head and loss  {statistics.median(ours for ours, _ in pairs):.4f} s (median)")
    print(f"without                      {statistics.median(base for _, base in pairs):.4f} s (median)")
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    print(f"ratio {statistics.median(ratios):.3f} (median of pairs; quartiles {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
