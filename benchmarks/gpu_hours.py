"""GPU hours of full-length trainings, extrapolated from operations counted here and a speed that nnU-Net published.

    python benchmarks/gpu_hours.py

Every row's network is that of the bundle's own configs, and the multiplications of a forward pass on one batch are
counted by PyTorch, without computing them. The yardstick is nnU-Net's own network for the Decathlon's liver task, a
step of which took an A100 40GB 0.164 s and an RTX 2080 Ti 0.406 s in mixed precision, loading not counted (41.1 s and
101.54 s for 250 steps: nnU-Net's documentation/expected_epoch_times.md). Hours are 1000 epochs of 250 steps at these
speeds. That is fair for convolutional networks of that kind; transformers, large kernels and depthwise convolutions
reach less of a GPU's peak, so for them it is a lower bound. Losses, loading and validation are not counted; on a GPU
`gpu_training.py` measures instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch.utils.flop_counter import FlopCounterMode

from custom.networks import build_network

BUNDLES = Path(__file__).resolve().parents[1] / "bundles"
STEPS = 250_000
LIVER = {  # nnU-Net's plan of the Decathlon's Task003, batch 2 of 128^3
    "name": "NativeScaleDynUNet",
    "filters": [32, 64, 128, 256, 320, 320],
    "strides": [1, 2, 2, 2, 2, 2],
    "kernel_size": [3] * 6,
}
SECONDS_A_STEP = {"A100": 41.1 / 250, "RTX 2080 Ti": 101.54 / 250}
PLANS = {"batseg_spine": ("spine", "knight"), "flare_pseudolabel": ("big", "small")}


def main() -> None:
    """Count and print; there are no options."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    reference = operations(LIVER, 1, 3, [128] * 3, 2)
    gpus = " | ".join(f"hours, {gpu}" for gpu in SECONDS_A_STEP)
    print(f"nnU-Net, liver: {reference / 1e12:.2f} Tmul in a forward pass of a batch\n")
    print(f"| plan | network | Tmul in a batch | {gpus} |\n|---|---|---|{'---|' * len(SECONDS_A_STEP)}")
    for bundle, plans in PLANS.items():
        for plan in plans:
            for name, settings in experiments(bundle, plan).items():
                count = of_configs(bundle, plan, settings)
                hours = [STEPS * speed * count / reference / 3600 for speed in SECONDS_A_STEP.values()]
                print(f"| {plan} | {name} | {count / 1e12:.2f} | " + " | ".join(f"{one:.0f}" for one in hours) + " |")


def experiments(bundle: str, plan: str) -> Mapping[str, Mapping[str, Any]]:
    """Name -> settings of the one-stage rows of a bundle's study; of a bundle without one its own network.

    With the overlay of the plan, where it has one.
    """
    files = [BUNDLES / bundle / "configs" / f"{name}.yaml" for name in ("study", f"study_{plan}")]
    if not files[0].is_file():
        return {"own": {}}
    parser = ConfigParser()
    parser.read_config([str(file) for file in files if file.is_file()])
    parser.update({"bundle_root": str(BUNDLES / bundle), "plan": plan})
    rows = parser.get_parsed_content("experiments")
    return {name: (row or {}).get("settings", {}) for name, row in rows.items() if "overlays" not in row}


def of_configs(bundle: str, plan: str, settings: Mapping[str, Any]) -> float:
    """Multiplications of a forward pass of the plan's batch by the network of train.yaml with these settings."""
    root = BUNDLES / bundle
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "train.yaml"))
    parser.update({"bundle_root": str(root), "plan": plan, **settings})
    architecture, channels = parser.get_parsed_content("architecture"), parser.get_parsed_content("num_channels")
    classes, patch = parser.get_parsed_content("num_classes"), parser.get_parsed_content("patch_size")
    return operations(architecture, channels, classes, patch, parser.get_parsed_content("batch_size"))


def operations(architecture: Mapping[str, Any], channels: int, classes: int, patch: list[int], batch: int) -> float:
    """Multiplications of a forward pass in training mode."""
    network = build_network(architecture, channels, classes, patch).to("meta").train()
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(batch, channels, *patch, device="meta"))
    return counter.get_total_flops() / 2


if __name__ == "__main__":
    main()
