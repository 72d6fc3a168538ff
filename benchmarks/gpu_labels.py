"""Label maps of a GPU, with and without mixed precision, against those of float32 on the CPU.

    python benchmarks/gpu_labels.py --scan /path/to/ct.nii.gz --work results/labels [--bundle NAME --ckpt_dir TRAINING]

Without `--ckpt_dir` the small FLARE network has the weights of a seed, whose logits differ less between classes than a
trained network's: the share of voxels that change is then the larger. Times are of the whole call, the CPU's included.
"""

from __future__ import annotations

import argparse
import time
from datetime import datetime, timezone
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.bundle import run as run_bundle

from custom.plans import read_plan, write_plan

BUNDLES = Path(__file__).resolve().parents[1] / "bundles"
FLARE = "flare_pseudolabel"
ROUTES = {"CPU, float32": ("cpu", False), "GPU, float32": ("cuda", False), "GPU, mixed precision": ("cuda", True)}


def main() -> None:
    """Label the scan by every route and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--bundle", default=FLARE, help="of the training")
    parser.add_argument("--ckpt_dir", type=Path)
    arguments = parser.parse_args()
    root = BUNDLES / arguments.bundle
    weights = arguments.ckpt_dir or seeded_weights(arguments.work / "models")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"{datetime.now(timezone.utc):%Y-%m-%d}, {device}, torch {torch.__version__}, {arguments.scan.name}")
    print("| route | voxels that differ | of the foreground | seconds |\n|---|---|---|---|")
    reference: np.ndarray | None = None
    for name, (kind, amp) in ROUTES.items():
        if kind == "cuda" and not torch.cuda.is_available():
            print(f"| {name} | no GPU | | |")
            continue
        start = time.perf_counter()
        labels = label_map(root, arguments.scan, weights, arguments.work / f"{kind}_{amp}", kind, amp)
        took = time.perf_counter() - start
        reference = labels if reference is None else reference
        different = int((labels != reference).sum())
        share = different / max(1, int((reference > 0).sum()))
        print(f"| {name} | {different} of {labels.size} | {share:.6f} | {took:.1f} |", flush=True)


def seeded_weights(folder: Path) -> Path:
    """Weights of a seed for FLARE's small network, with their plan."""
    root = BUNDLES / FLARE
    folder.mkdir(parents=True, exist_ok=True)
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.yaml"))
    parser.update({"bundle_root": str(root), "checkpoint": "none"})
    torch.manual_seed(0)
    torch.save(parser.get_parsed_content("network_def").state_dict(), folder / "model.pt")
    write_plan(folder / "plan.yaml", read_plan(root / "configs" / "plans" / "small.yaml"))
    return folder


def label_map(root: Path, scan: Path, weights: Path, output: Path, device: str, amp: bool) -> np.ndarray:
    """What inference.yaml writes for the scan."""
    run_bundle(
        config_file=str(root / "configs" / "inference.yaml"),
        bundle_root=str(root),
        dataset_dir=str(scan),
        output_dir=str(output),
        ckpt_dir=str(weights),
        device=device,
        amp=amp,
        num_workers=0,
    )
    (file,) = output.glob("*.nii.gz")
    return np.asarray(nib.load(file).dataobj)


if __name__ == "__main__":
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    main()
