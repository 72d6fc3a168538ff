"""Peak memory and time of streaming inference, compared with MONAI's sliding window and inverse of all scores.

    python benchmarks/streaming_inference.py [--ct FILE] [--bundles batseg_spine flare_pseudolabel] [--threads 1]

Each bundle's inference labels the CT on its own grid: its orientation, spacing, patch, average of probabilities or
logits, and mirroring. flare_pseudolabel's network is its small one, batseg_spine's two strided convolutions, which take
next to no memory and time of their own, mirrored along one axis, which needs the memory of three; both have random
weights. "ours" is `StreamingSlidingWindowInferer`; "monai" is `SlidingWindowInferer` (overlap a half, Gaussian
weights), `Invertd` and arg-max. Each runs in a process of its own, with 2 and with 15 classes.

Peak memory is the resident set's maximum of the whole process, its imports and the resampling of the scan included;
"windows MB" is the maximum from the ready image on (of a Linux; elsewhere the same as the peak); seconds are processor
time from the ready image to the labels on the scan's grid.

The second table is what the three window plans of flare_pseudolabel run and take when the network's answer is replaced,
after its computation, by the organs that --labels gives on the CT. The shared label map covers 30 of the CT's 112
slices: on the others there is nothing to find, which a whole scan would not offer in that measure.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import monai
import torch
from monai.data import MetaTensor, decollate_batch
from monai.inferers import SlidingWindowInferer
from monai.networks.nets import DynUNet
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    Identityd,
    Invertd,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    ResampleToMatchd,
    ScaleIntensityRanged,
    Spacingd,
)

from custom.inferers import StreamingSlidingWindowInferer
from custom.inferers.sliding_window import mirrored_mean

CT = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "ct"
CLASSES = (2, 15)
CLEAR_REFS = Path("/proc/self/clear_refs")
PLANS = ("all", "efficient", "lateral")


@dataclass(frozen=True)
class Bundle:
    """What a bundle's inference is made of."""

    axes: str
    spacing: tuple[float, ...]
    patch: tuple[int, ...]
    network: Callable[[int], torch.nn.Module]
    average: str
    mirror_axes: tuple[int, ...]


def flare_network(classes: int) -> torch.nn.Module:
    """FLARE's small network, up to its supervision heads."""
    strides, kernels = [1, (1, 2, 2), 2, 2, 2], [(1, 3, 3), 3, 3, 3, 3]
    return DynUNet(3, 1, classes, kernels, strides, strides[1:], (16, 32, 64, 128, 256))


def strided_convolutions(classes: int) -> torch.nn.Module:
    """Down to a quarter in plane and back."""
    step = (1, 4, 4)
    return torch.nn.Sequential(
        torch.nn.Conv3d(1, 16, step, step), torch.nn.LeakyReLU(), torch.nn.ConvTranspose3d(16, classes, step, step)
    )


BUNDLES = {
    "batseg_spine": Bundle(
        axes="RAS",
        spacing=(3.3, 0.47, 0.47),
        patch=(12, 256, 512),
        network=strided_convolutions,
        average="logits",
        mirror_axes=(0,),
    ),
    "flare_pseudolabel": Bundle(
        axes="SAR",
        spacing=(4.0, 1.2, 1.2),
        patch=(32, 128, 192),
        network=flare_network,
        average="probabilities",
        mirror_axes=(),
    ),
}


def parse_arguments() -> argparse.Namespace:
    """The command line; --job is for the processes this program starts itself."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ct", type=Path, default=CT / "torso.nii.gz")
    parser.add_argument("--labels", type=Path, default=CT / "abdomen_label.nii.gz", help="organs, on any grid")
    parser.add_argument("--bundles", nargs="+", choices=BUNDLES, default=list(BUNDLES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print the machine, then the table of memory and the table of window plans."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    if arguments.job:
        print(json.dumps(run_job(arguments)))
        return
    if not arguments.ct.is_file():
        sys.exit(f"no CT at {arguments.ct}; give --ct")
    print(f"{date.today()}, {processor()}, Python {platform.python_version()}, MONAI {monai.__version__}, ", end="")
    print(f"PyTorch {torch.__version__}, {arguments.threads} thread(s); {arguments.ct.name}")
    for name in arguments.bundles:
        compare_memory(name)
    if arguments.labels.is_file() and "flare_pseudolabel" in arguments.bundles:
        compare_plans()


def compare_memory(bundle: str) -> None:
    """Peak memory and processor time of both routes with 2 and 15 classes."""
    print(f"{bundle}\n{'route':<8}{'classes':>8}{'peak MB':>9}{'windows MB':>12}{'seconds':>9}{'windows':>9}")
    peaks: dict[tuple[str, int], float] = {}
    for route in ("ours", "monai"):
        for classes in CLASSES:
            row = in_own_process(f"{bundle} {route} {classes}")
            peaks[route, classes] = row["peak"]
            print(f"{route:<8}{classes:>8}{row['peak']:>9.0f}{row['after']:>12.0f}{row['seconds']:>9.1f}", end="")
            print(f"{row['windows']:>9}", flush=True)
    few, many = CLASSES
    for route in ("ours", "monai"):
        print(f"{route}: peak with {many} classes / with {few}: {peaks[route, many] / peaks[route, few]:.2f}")
    print(f"monai / ours with {many} classes: {peaks['monai', many] / peaks['ours', many]:.2f}")


def compare_plans() -> None:
    """Windows and time of the three window plans where the network finds the organs it was given."""
    print(f"{'windows':<11}{'run':>5}{'plain':>7}{'saved':>8}{'seconds':>9}{'time saved':>12}{'same label':>12}")
    reference = 0.0
    for plan in PLANS:
        row = in_own_process(f"flare_pseudolabel {plan} {CLASSES[-1]}")
        reference = reference or row["seconds"]
        saved, saved_time = 1 - row["windows"] / row["windows_all"], 1 - row["seconds"] / reference
        print(f"{plan:<11}{row['windows']:>5}{row['windows_all']:>7}{saved:>8.0%}{row['seconds']:>9.1f}", end="")
        print(f"{saved_time:>12.0%}{row['found']:>12.2%}", flush=True)
    print("same label: of the voxels given an organ")


def in_own_process(job: str) -> dict[str, Any]:
    """The measurements of a job, run by this program with the same arguments in a new process."""
    command = [sys.executable, *sys.argv, "--job", job]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(f"{job}: {finished.stderr}")
    return dict(json.loads(finished.stdout.splitlines()[-1]))


def run_job(arguments: argparse.Namespace) -> dict[str, Any]:
    """Peak memory in MB, seconds and windows of one route or plan."""
    name, route, classes = arguments.job.split()
    bundle = BUNDLES[name]
    preparation = prepare(bundle)
    data = preparation({"image": arguments.ct})
    torch.manual_seed(0)
    network = bundle.network(int(classes)).eval()
    organs = None
    if route in PLANS:
        organs = on_grid_of(data["image"], arguments.labels)
        data["image"] = torch.cat([data["image"], organs])
        network = Oracle(network)
    before, start = peak_memory(), time.process_time()
    if CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")  # forgets the maximum
    with torch.no_grad():
        if route == "monai":
            measured = run_monai(bundle, data, network, preparation)
        else:
            measured = run_ours(bundle, data, network, route if route in PLANS else "all")
    measured |= {"seconds": time.process_time() - start, "after": peak_memory(), "peak": max(before, peak_memory())}
    labels = measured.pop("labels")
    if organs is not None:
        measured["found"] = share_found(labels, arguments)
    return measured


def run_ours(bundle: Bundle, data: dict[str, Any], network: torch.nn.Module, windows: str) -> dict[str, Any]:
    """Labels on the scan's grid, streamed."""
    inferer = StreamingSlidingWindowInferer(bundle.patch, bundle.average, windows, bundle.mirror_axes)
    labels = inferer(data["image"][None], network)[0]
    return {"labels": labels, "windows": inferer.report["windows"], "windows_all": inferer.report["windows_all"]}


def run_monai(bundle: Bundle, data: dict[str, Any], network: torch.nn.Module, preparation: Compose) -> dict[str, Any]:
    """Labels on the scan's grid as MONAI's bundles get them."""
    calls = []

    def predict(windows: torch.Tensor) -> torch.Tensor:
        calls.append(len(windows))
        return mirrored_mean(network, windows, bundle.mirror_axes)

    inferer = SlidingWindowInferer(bundle.patch, sw_batch_size=1, overlap=0.5, mode="gaussian", sigma_scale=1 / 8)
    scores = inferer(data["image"][None], predict)
    (data["pred"],) = decollate_batch(scores if bundle.average == "logits" else scores.softmax(dim=1))
    del scores
    invert = Invertd("pred", preparation, orig_keys="image", nearest_interp=False)
    labels = invert(data)["pred"].argmax(dim=0, keepdim=True)
    return {"labels": labels, "windows": sum(calls)}


class Oracle(torch.nn.Module):
    """Computes the network on the first channel, answers with the classes that the second channel holds."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the classes given."""
        logits = self.network(x[:, :1])
        return torch.zeros_like(logits).scatter_(1, x[:, 1:].long(), 20)


def prepare(bundle: Bundle) -> Compose:
    """The image as the bundle's networks take it; for FLARE with FLARE22's intensities."""
    is_ct = bundle.average == "probabilities"
    normalisation = (
        NormalizeIntensityd("image", subtrahend=79.4, divisor=142.0) if is_ct else NormalizeIntensityd("image")
    )
    clip = ScaleIntensityRanged("image", a_min=-972, a_max=294, b_min=-972, b_max=294, clip=True)
    return Compose(
        [
            LoadImaged("image"),
            EnsureChannelFirstd("image"),
            Orientationd("image", axcodes=bundle.axes, labels=None),
            Spacingd("image", pixdim=bundle.spacing, mode="bilinear", dtype=torch.float32),
            clip if is_ct else Identityd("image"),
            normalisation,
        ]
    )


def on_grid_of(image: MetaTensor, labels: Path) -> torch.Tensor:
    """A label map resampled to the image's grid with the nearest voxel; background where it says nothing."""
    load = Compose(
        [
            LoadImaged("label"),
            EnsureChannelFirstd("label"),
            ResampleToMatchd("label", key_dst="image", mode="nearest", padding_mode="zeros"),
        ]
    )
    return load({"label": labels, "image": image})["label"].as_tensor()


def share_found(labels: torch.Tensor, arguments: argparse.Namespace) -> float:
    """Share of the organs' voxels on the scan's grid that have their label."""
    scan = Compose([LoadImaged("image"), EnsureChannelFirstd("image")])({"image": arguments.ct})["image"]
    truth = on_grid_of(scan, arguments.labels)
    return float((labels.as_tensor() == truth)[truth > 0].float().mean())


def peak_memory() -> float:
    """Most resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def processor() -> str:
    """Name of the machine's processor."""
    models = Path("/proc/cpuinfo")
    lines = models.read_text().splitlines() if models.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
