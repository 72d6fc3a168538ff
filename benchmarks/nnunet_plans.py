"""Our planner compared with nnU-Net's own on the same spacings and shapes: real data sets, and described ones.

nnU-Net lives in an environment of its own:

    python3 -m venv NNUNET && NNUNET/bin/pip install nnunetv2==2.8.1

Then, from the project's root and in the project's environment:

    python benchmarks/nnunet_plans.py --nnunet_python NNUNET/bin/python --work_dir benchmarks/results/plans

Real data sets are read by both sides, each with its own code, so that their fingerprints are compared too. Described
data sets are lists of spacings and shapes spread evenly between published minimum, median and maximum; no images.
`--random 150` adds as many of random ranges, of which the table has those that differ. The table is printed as
Markdown; nnU-Net's plans stay in `work_dir`.
"""
# ruff: noqa: PLC0415 - each side's packages exist in its own environment only

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from custom.fingerprint.summary import Fingerprint

PROJECT = Path(__file__).resolve().parents[1]
REAL = {  # folder -> channels, classes; where no dataset.json says so
    "hippocampus": (["MRI"], ["Anterior", "Posterior"]),
    "headneck": (
        ["CT"],
        ["brainstem", "spinal_cord", "right_parotid", "left_parotid", "oesophagus", "larynx", "mandible"],
    ),
}
GOLDEN = (5**0.5 - 1) / 2

logger = logging.getLogger("nnunet_plans")

Range = tuple[float, ...]


class Described(NamedTuple):
    """A data set by minimum, median and maximum of its spacings (mm) and of its shapes after cropping.

    Four numbers are minimum, 10th percentile, median and maximum. Axes as nnU-Net sees files (z, y, x), moved by
    `axes`; the last two of `spacing` are in-plane and equal in every scan.
    """

    cases: int
    spacing: tuple[Range, Range]
    shape: tuple[Range, Range, Range]
    channels: tuple[str, ...] = ("CT",)
    num_outputs: int = 3
    memory_gb: float = 8.0
    axes: tuple[int, int, int] = (0, 1, 2)

    @property
    def spacings(self) -> np.ndarray:
        """(cases, 3), mm."""
        slices, in_plane = (_spread(self.cases, limits, start) for start, limits in enumerate(self.spacing))
        return np.round(np.stack([slices, in_plane, in_plane], axis=1), 4)[:, list(self.axes)]

    @property
    def shapes(self) -> np.ndarray:
        """(cases, 3), voxels."""
        sizes = [_spread(self.cases, limits, start + 2) for start, limits in enumerate(self.shape)]
        return np.rint(np.stack(sizes, axis=1)).astype(int)[:, list(self.axes)]


def _spread(cases: int, limits: Range, start: int) -> np.ndarray:
    """Values with these quantiles, in an order that repeats on every machine and differs with `start`."""
    quantiles = np.modf((np.arange(cases) + 1) * GOLDEN * (start + 1))[0]
    return np.interp(quantiles, [0, 0.5, 1] if len(limits) == 3 else [0, 0.1, 0.5, 1], limits)


_ONE = (1.0, 1.0, 1.0)
_KITS = Described(210, ((0.5, 3, 5), (0.44, 0.78, 1.04)), ((29, 104, 1059), (512, 512, 512), (512, 512, 512)))
_SPINE = Described(  # Table 1 of the BATseg paper; the 10th percentile of its slices is 3.3 mm
    653,
    ((1.5, 3.3, 3.9, 8), (0.34, 0.47, 1.06)),
    ((9, 11, 36), (320, 512, 1024), (256, 448, 640)),
    ("T1",),
    5,
)
_FLARE = Described(
    222, ((0.7, 2.5, 2.5, 5), (0.5, 0.8, 1.0)), ((40, 97, 700), (512, 512, 512), (512, 512, 512)), ("CT",), 15
)
DESCRIBED = {
    "spine tumours (BATseg)": _SPINE,
    "spine tumours, stored along x": _SPINE._replace(axes=(1, 2, 0)),
    "spine tumours, 24 GB": _SPINE._replace(memory_gb=24),
    "kidney CT (KiTS)": _KITS,
    "kidney CT, 4 GB": _KITS._replace(memory_gb=4),
    "kidney CT, 24 GB": _KITS._replace(memory_gb=24),
    "kidney CT, 80 GB": _KITS._replace(memory_gb=80),
    "kidney CT, coronal": _KITS._replace(axes=(1, 0, 2)),
    "kidneys at 2 mm (KNIGHT)": Described(
        300, ((2, 2, 2), (2, 2, 2)), ((80, 160, 400), (150, 200, 256), (150, 200, 256))
    ),
    "cardiac MR (ACDC)": Described(
        200, ((5, 10, 10), (0.7, 1.56, 1.92)), ((6, 9, 18), (154, 256, 428), (154, 216, 512)), ("MRI",), 4
    ),
    "brain tumours (BraTS)": Described(
        484, (_ONE, _ONE), ((127, 138, 152), (151, 170, 187), (119, 137, 155)), ("FLAIR", "T1", "T1gd", "T2"), 4
    ),
    "prostate MR": Described(
        32, ((3, 3.6, 4), (0.6, 0.625, 0.75)), ((11, 20, 24), (256, 320, 384), (256, 320, 384)), ("T2", "ADC"), 3
    ),
    "liver CT": Described(131, ((0.7, 1, 5), (0.56, 0.77, 1)), ((74, 432, 987), (512, 512, 512), (512, 512, 512))),
    "lung CT": Described(
        63, ((0.625, 1.24, 2.5), (0.6, 0.79, 0.98)), ((112, 252, 636), (512, 512, 512), (512, 512, 512)), ("CT",), 2
    ),
    "pancreas CT": Described(
        281, ((0.7, 2.5, 7.5), (0.61, 0.8, 0.98)), ((37, 93, 751), (512, 512, 512), (512, 512, 512))
    ),
    "hepatic vessels CT": Described(
        303, ((0.8, 5, 8), (0.56, 0.8, 0.97)), ((24, 49, 181), (512, 512, 512), (512, 512, 512))
    ),
    "colon CT": Described(
        126, ((1.25, 5, 7.5), (0.54, 0.78, 0.98)), ((37, 95, 729), (512, 512, 512), (512, 512, 512)), ("CT",), 2
    ),
    "spleen CT": Described(
        41, ((1.5, 5, 8), (0.61, 0.79, 0.98)), ((31, 90, 168), (512, 512, 512), (512, 512, 512)), ("CT",), 2
    ),
    "left atrium MR": Described(
        20, ((1.37, 1.37, 1.37), (1.25, 1.25, 1.25)), ((90, 115, 130), (320, 320, 320), (320, 320, 320)), ("MRI",), 2
    ),
    "abdomen CT (FLARE)": _FLARE,
    "abdomen CT, 12 GB": _FLARE._replace(memory_gb=12),
    "tiny isotropic": Described(30, (_ONE, _ONE), ((12, 20, 30), (16, 22, 28), (10, 21, 31)), ("MRI",), 2),
    "tiny and many": Described(
        4000, ((0.1, 0.1, 0.1), (0.1, 0.1, 0.1)), ((20, 24, 30), (20, 24, 30), (20, 24, 30)), ("uCT",), 2
    ),
    "five channels, 36 classes": Described(
        60, (_ONE, _ONE), ((140, 182, 210), (170, 218, 230), (150, 182, 190)), ("T1", "T2", "PD", "FLAIR", "DWI"), 36
    ),
    "some thick, some thin slices": Described(
        50, ((0.3, 3, 6), (0.8, 0.9, 1)), ((20, 40, 300), (256, 256, 256), (256, 256, 256)), ("T2",), 3
    ),
    "knee MR, sagittal": Described(
        500, ((0.7, 0.7, 0.8), (0.36, 0.3646, 0.4)), ((140, 160, 180), (384, 384, 384), (384, 384, 384)), ("DESS",), 6
    ),
    "whole-body CT at 1.5 mm": Described(
        1200, ((1.5, 1.5, 1.5), (1.5, 1.5, 1.5)), ((50, 250, 800), (150, 240, 500), (150, 240, 500)), ("CT",), 118
    ),
}


def data_sets(arguments: argparse.Namespace) -> dict[str, Described]:
    """The described data sets, and random ones as asked for; the same in both environments."""
    generator = np.random.default_rng(arguments.seed)
    return DESCRIBED | {f"random {number}": random_data_set(generator) for number in range(arguments.random)}


def random_data_set(generator: np.random.Generator) -> Described:
    """Slices of 0.3 to 12 times the in-plane spacing of 0.2 to 3 mm, 8 to 600 voxels along each axis."""

    def between(least: float, greatest: float) -> float:
        return float(np.exp(generator.uniform(np.log(least), np.log(greatest))))

    def around(median: float, factor: float) -> Range:
        return (median / between(1, factor), median, median * between(1, factor))

    in_plane = between(0.2, 3)
    slices = in_plane * between(0.3, 12)
    first, second, third = generator.permutation(3).tolist()
    return Described(
        cases=int(generator.integers(5, 400)),
        spacing=(around(slices, 3), around(in_plane, 1.5)),
        shape=(around(between(8, 600), 2), around(between(8, 600), 2), around(between(8, 600), 2)),
        num_outputs=int(generator.integers(2, 60)),
        memory_gb=float(generator.choice([4, 8, 8, 8, 12, 24, 48])),
        axes=(first, second, third),
    )


def parse_arguments() -> argparse.Namespace:
    """The command line; the same one is handed on to the process that runs nnU-Net."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PROJECT.parent / "shared" / "data", help="folder of real data")
    parser.add_argument("--real", nargs="*", choices=list(REAL), default=list(REAL))
    parser.add_argument("--work_dir", type=Path, required=True, help="everything is written here")
    parser.add_argument("--nnunet_python", default=sys.executable, help="interpreter that has nnunetv2")
    parser.add_argument("--random", type=int, default=0, help="number of random data sets")
    parser.add_argument("--seed", type=int, default=0, help="of the random data sets")
    parser.add_argument("--processes", type=int, default=2, help="of nnU-Net's fingerprint extraction")
    parser.add_argument("--compare_only", action="store_true", help="nnU-Net's plans are in work_dir already")
    parser.add_argument("--inside_nnunet", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.work_dir = arguments.work_dir.resolve()
    arguments.data = arguments.data.resolve()
    return arguments


# --- nnU-Net's side (runs in nnU-Net's own environment) ---------------------------------------------------------------


def run_nnunet(arguments: argparse.Namespace) -> None:
    """Plan every data set with nnU-Net; plans, fingerprints of the real ones and versions go to `nnunet.json`."""
    folder = arguments.work_dir / "nnunet"
    shutil.rmtree(folder, ignore_errors=True)
    os.environ |= {f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")}
    from importlib.metadata import version

    fingerprints = {}
    plans = {}
    with (arguments.work_dir / "nnunet.log").open("w", encoding="utf-8") as log, contextlib.redirect_stdout(log):
        described = data_sets(arguments)
        for number, name in enumerate([*arguments.real, *described], start=1):
            logger.info("nnU-Net plans %s", name)
            dataset = f"Dataset{number:03d}_Benchmark"
            if name in REAL:
                fingerprints[name] = extract_real(arguments, name, folder, dataset)
                memory_gb = 8.0
            else:
                memory_gb = write_described(described[name], folder, dataset)
            plans[name] = plan_with_nnunet(dataset, memory_gb)
    versions = {name: version(name) for name in ("nnunetv2", "dynamic_network_architectures", "numpy", "torch")}
    content = {"versions": versions, "plans": plans, "fingerprints": fingerprints}
    (arguments.work_dir / "nnunet.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def write_described(described: Described, folder: Path, dataset: str) -> float:
    """The files nnU-Net's planner reads; the memory it is given."""
    fingerprint = {
        "spacings": described.spacings.tolist(),
        "shapes_after_crop": described.shapes.tolist(),
        "foreground_intensity_properties_per_channel": {},
        "median_relative_size_after_cropping": 1.0,
    }
    listing = {
        "channel_names": {str(number): name for number, name in enumerate(described.channels)},
        "labels": {"background": 0} | {f"class_{number}": number for number in range(1, described.num_outputs)},
        "numTraining": described.cases,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
        "dataset": {"case": {"images": ["case_0000.nii.gz"], "label": "case.nii.gz"}},
    }
    write_to(folder / "raw" / dataset / "dataset.json", listing)
    write_to(folder / "preprocessed" / dataset / "dataset_fingerprint.json", fingerprint)
    return described.memory_gb


def extract_real(arguments: argparse.Namespace, name: str, folder: Path, dataset: str) -> dict[str, Any]:
    """A real folder in nnU-Net's layout, as links, and its fingerprint by nnU-Net."""
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

    raw, source = folder / "raw" / dataset, arguments.data / name
    labels = sorted((source / "labelsTr").glob("*.nii.gz"))
    for label in labels:
        link(label, raw / "labelsTr" / label.name)
        link(source / "imagesTr" / label.name, raw / "imagesTr" / label.name.replace(".nii.gz", "_0000.nii.gz"))
    channels, classes = REAL[name]
    listing = {
        "channel_names": {str(number): channel for number, channel in enumerate(channels)},
        "labels": {label: number for number, label in enumerate(["background", *classes])},
        "numTraining": len(labels),
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    write_to(raw / "dataset.json", listing)
    DatasetFingerprintExtractor(dataset, num_processes=arguments.processes).run(overwrite_existing=True)
    file = folder / "preprocessed" / dataset / "dataset_fingerprint.json"
    fingerprint: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return fingerprint


def plan_with_nnunet(dataset: str, memory_gb: float) -> dict[str, Any]:
    """What nnU-Net's default planner says about `3d_fullres`, in our words."""
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner

    plans = ExperimentPlanner(dataset, memory_gb).plan_experiment()
    full = plans["configurations"]["3d_fullres"]
    network = full["architecture"]["arch_kwargs"]
    return {
        "order": plans["transpose_forward"],
        "spacing": full["spacing"],
        "patch_size": full["patch_size"],
        "strides": network["strides"],
        "kernel_size": network["kernel_sizes"],
        "filters": network["features_per_stage"],
        "batch_size": full["batch_size"],
        "median_shape": full["median_image_size_in_voxels"],
        "normalisation": full["normalization_schemes"],
    }


def link(source: Path, target: Path) -> None:
    """A symbolic link at `target`, its folder made as needed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


def write_to(file: Path, content: Any) -> None:
    """Write JSON, its folder made as needed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


# --- our side ---------------------------------------------------------------------------------------------------------


def plan_ourselves(
    spacings: np.ndarray, shapes: np.ndarray, num_outputs: int, memory_gb: float = 8.0
) -> dict[str, Any]:
    """Our plan of spacings and shapes alone, in the words of `plan_with_nnunet`."""
    from custom.plans.configuration import plan_full_resolution

    found = plan_full_resolution(spacings, shapes, num_outputs, memory_gb)
    topology = found.configuration.topology
    return {
        "order": list(found.order),
        "spacing": list(found.spacing),
        "patch_size": list(topology.patch_size),
        "strides": [list(level) for level in topology.strides],
        "kernel_size": [list(level) for level in topology.kernel_size],
        "filters": list(topology.filters),
        "batch_size": found.configuration.batch_size,
        "median_shape": list(found.median_shape),
    }


def read_ourselves(folder: Path, name: str) -> Fingerprint:
    """The fingerprint of a real folder."""
    from custom.datalist.folder_layouts import training_cases
    from custom.fingerprint.dataset_fingerprint import read_records
    from custom.fingerprint.summary import summarise

    records = read_records(training_cases(folder))
    return summarise(records, len(REAL[name][1]))


# --- side by side -----------------------------------------------------------------------------------------------------


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """What differs between two plans; spacings count as equal to a millionth."""
    found: list[str] = []
    for key, value in ours.items():
        other = theirs[key]
        if not (np.allclose(value, other, rtol=1e-6, atol=0) if key == "spacing" else value == other):
            found.append(f"{key}: nnU-Net {other}")
    return found


def fingerprint_differences(ours: Fingerprint, theirs: Mapping[str, Any]) -> str:
    """The largest differences of two fingerprints of the same files in one line."""
    spacing = np.abs(ours.spacings - np.array(theirs["spacings"])).max()
    shapes = (ours.shapes != np.array(theirs["shapes_after_crop"])).any(axis=1).sum()
    parts = [f"spacings differ by {spacing:.1g} mm at most, {shapes} of {len(ours.shapes)} shapes differ"]
    for number, statistics in enumerate(ours.intensities):
        other = theirs["foreground_intensity_properties_per_channel"][str(number)]
        parts.append(", ".join(f"{key} {value:.6g} / {other[key]:.6g}" for key, value in statistics.items()))
    return "; ".join(parts)


def table_row(name: str, memory_gb: float, plan: Mapping[str, Any], found: Sequence[str]) -> str:
    """A line of the Markdown table."""
    cells = (
        name,
        f"{memory_gb:g}",
        " x ".join(f"{size:.4g}" for size in plan["spacing"]),
        " x ".join(map(str, plan["patch_size"])),
        " ".join("".join(map(str, level)) for level in plan["strides"]),
        " ".join("".join(map(str, level)) for level in plan["kernel_size"]),
        f"{len(plan['filters'])} x {plan['filters'][0]}-{plan['filters'][-1]}",
        str(plan["batch_size"]),
        "; ".join(found) or "equal",
    )
    return f"| {' | '.join(cells)} |"


HEADING = """| data set | GB | spacing, mm | patch | strides | kernels | features | batch | nnU-Net |
|---|---|---|---|---|---|---|---|---|"""


def compare(arguments: argparse.Namespace) -> list[str]:
    """The lines of the report."""
    content = json.loads((arguments.work_dir / "nnunet.json").read_text(encoding="utf-8"))
    rows, notes, equal = [], [], 0
    for name in arguments.real:
        read = read_ourselves(arguments.data / name, name)
        ours = plan_ourselves(read.spacings, read.shapes, len(REAL[name][1]) + 1)
        rows.append(table_row(f"{name} (real)", 8, ours, differences(ours, content["plans"][name])))
        notes.append(f"{name}, ours / nnU-Net: {fingerprint_differences(read, content['fingerprints'][name])}")
    for name, described in data_sets(arguments).items():
        ours = plan_ourselves(described.spacings, described.shapes, described.num_outputs, described.memory_gb)
        found = differences(ours, content["plans"][name])
        equal += name not in DESCRIBED and not found
        if found or name in DESCRIBED:
            rows.append(table_row(name, described.memory_gb, ours, found))
    versions = ", ".join(f"{package} {number}" for package, number in content["versions"].items())
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    return [
        f"{date}, {machine()}; nnU-Net's environment: {versions}",
        f"{sum(row.endswith('| equal |') for row in rows)} of {len(rows)} plans equal",
        *([f"{equal} of {arguments.random} random ones equal"] if arguments.random else []),
        "",
        *HEADING.splitlines(),
        *rows,
        "",
        *notes,
    ]


def machine() -> str:
    """Processor, cores, system."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def main() -> None:
    """Run nnU-Net in its own environment, then compare; or, started by it, nnU-Net's side."""
    arguments = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.work_dir.mkdir(parents=True, exist_ok=True)
    if arguments.inside_nnunet:
        run_nnunet(arguments)
        return
    if not arguments.compare_only:
        command = [arguments.nnunet_python, __file__, *sys.argv[1:], "--inside_nnunet"]
        subprocess.run(command, check=True)
    lines = compare(arguments)
    (arguments.work_dir / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
