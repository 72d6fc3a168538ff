"""Times the surface distance field against the whole-volume route through MONAI's `DistanceTransformEDT`.

    python benchmarks/distance_field.py [--masks FOLDER] [--repeats 3]

Both routes start from the same label map and end at the same float32 field; the last column is the largest difference
between them. "all" transforms every foreground class channel of the one-hot label, as MONAI's transforms do; "present"
only the classes that the label holds. Repeats are interleaved. Times are medians in milliseconds of processor time on
one thread, which other programs on the machine disturb little. A line that begins with = sums its group's volumes.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import monai
import nibabel as nib
import numpy as np
import scipy
import torch
from monai.transforms import DistanceTransformEDT

from custom.transforms.surface_distance_field import SurfaceDistanceField

MASKS = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "kidney_masks"
HIGH_RISK = ("high_risk", "very_high_risk")


class Volume(NamedTuple):
    """A label map (1, *spatial) to time both routes on."""

    name: str
    label: np.ndarray
    num_classes: int
    spacing: tuple[float, ...]


def main() -> None:
    """Print the machine, then one table row per volume and one per group of volumes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=Path, default=MASKS, help="folder of KiTS masks and knight.json")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    print(f"{date.today()}, {_processor()}, Python {platform.python_version()}, NumPy {np.__version__}, ", end="")
    print(f"SciPy {scipy.__version__}, MONAI {monai.__version__}, PyTorch {torch.__version__}, 1 thread")
    print(f"{'volume':<46}{'shape':>12}{'all ms':>9}{'present':>9}{'ours':>8}{'all x':>7}{'pres. x':>8}  difference")
    groups = {
        "KiTS 2 mm, KNIGHT tumour classes": lambda: kits_volumes(arguments.masks, knight=True),
        "KiTS 2 mm, kidneys and tumour": lambda: kits_volumes(arguments.masks, knight=False),
        "spine": spine_volumes,
        "patch": patch_volumes,
    }
    for name, volumes in groups.items():
        rows = [measure(volume, arguments.repeats) for volume in volumes()]
        if rows:
            times = [sum(row[i] for row in rows) for i in range(3)]
            print_row(f"= {name}, {len(rows)} volumes", "", times, max(row[3] for row in rows))


def measure(volume: Volume, repeats: int) -> tuple[float, float, float, float]:
    """Median seconds of both MONAI routes and ours, and the largest difference of their results; prints the row."""
    ours = SurfaceDistanceField(volume.num_classes)
    present = [i for i in range(1, volume.num_classes) if (volume.label == i).any()]
    every = list(range(1, volume.num_classes))
    routes: list[Callable[[], np.ndarray]] = [
        lambda: monai_route(volume, every),
        lambda: monai_route(volume, present),
        lambda: np.asarray(ours(volume.label, spacing=volume.spacing)),
    ]
    seconds: list[list[float]] = [[], [], []]
    for _ in range(repeats):
        fields = []
        for route, spent in zip(routes, seconds, strict=True):
            start = time.process_time()
            fields.append(route())
            spent.append(time.process_time() - start)
    difference = max(float(np.abs(field - fields[2]).max()) for field in fields[:2])
    times = [statistics.median(spent) for spent in seconds]
    print_row(volume.name, "x".join(str(size) for size in volume.label.shape[1:]), times, difference)
    return times[0], times[1], times[2], difference


def print_row(name: str, shape: str, seconds: list[float], difference: float) -> None:
    """One line of the table."""
    every, present, ours = (1000 * value for value in seconds)
    ratios = f"{every / ours:>7.0f}{present / ours:>8.0f}"
    print(f"{name:<46}{shape:>12}{every:>9.0f}{present:>9.0f}{ours:>8.2f}{ratios}  {difference}", flush=True)


def monai_route(volume: Volume, classes: list[int]) -> np.ndarray:
    """Eq. 1-2 with MONAI's whole-volume transform of the one-hot label's `classes`, inside and outside."""
    field = np.zeros((volume.num_classes, *volume.label.shape[1:]), np.float32)
    transform = DistanceTransformEDT(sampling=list(volume.spacing))
    one_hot = volume.label == np.reshape(classes, (-1, *[1] * (volume.label.ndim - 1)))
    for i, inside, outside in zip(classes, transform(one_hot), transform(~one_hot), strict=True):
        dmax = inside.max()
        if dmax > 0:
            distance = inside - outside
            field[i] = np.where(distance >= -dmax, (distance / dmax + 1) / 2, 0)
    return field


def kits_volumes(folder: Path, knight: bool) -> Iterator[Volume]:
    """KiTS masks at 2 mm: their own classes, or KNIGHT's two tumour classes by the patient's risk group."""
    files = sorted(folder.glob("case_*.nii.gz"))
    if not files:
        print(f"no masks under {folder}; give --masks")
        return
    risk = {row["case_id"]: row["aua_risk_group"] for row in json.loads((folder / "knight.json").read_text())}
    for file in files:
        mask = at_two_millimetres(file)
        case = file.name.removesuffix(".nii.gz")
        if knight:
            mask = np.where(mask == 2, 2 if risk[case] in HIGH_RISK else 1, 0)
        name = f"KiTS {case}, {'tumour' if knight else 'kidneys and tumour'}"
        yield Volume(name, mask[None].astype(np.float32), 3, (2.0, 2.0, 2.0))


def at_two_millimetres(file: Path) -> np.ndarray:
    """The label map of a NIfTI file, resampled to 2 mm on every axis with the nearest voxel."""
    image = nib.Nifti1Image.from_filename(file)
    labels = np.asanyarray(image.dataobj)
    picked = [
        np.arange(1, size * zoom, 2.0) / zoom
        for size, zoom in zip(labels.shape, nib.affines.voxel_sizes(image.affine), strict=True)
    ]
    return labels[np.ix_(*(positions.astype(int) for positions in picked))]


def spine_volumes() -> Iterator[Volume]:
    """Sagittal spine volumes (slice, superior-inferior, anterior-posterior), one tumour of its type's mean size."""
    spacing = (3.3, 0.47, 0.47)
    shape = (12, 512, 256)
    sizes_cm3 = {"meningioma": 2.8, "ependymoma": 4.9, "astrocytoma": 5.8, "hemangioblastoma": 2.5}  # the paper's
    for class_id, (name, size) in enumerate(sizes_cm3.items(), start=1):
        radius = 7.0  # mm, about the spinal canal's; the tumour's length follows from its volume
        length = size * 1000 / (4 / 3 * np.pi * radius**2)
        tumour = ellipsoid(shape, [r / s for r, s in zip((radius, length, radius), spacing, strict=True)])
        yield Volume(f"spine, {name} {size} cm3", tumour[None].astype(np.float32) * class_id, 5, spacing)


def patch_volumes() -> Iterator[Volume]:
    """A KNIGHT training patch holding a tumour 20 voxels wide, as a ball and as a cube."""
    shape = (128, 128, 128)
    yield Volume("patch, ball of 20", ellipsoid(shape, [10.0] * 3)[None].astype(np.float32), 3, (2.0, 2.0, 2.0))
    cube = np.zeros((1, *shape), np.float32)
    cube[:, 54:74, 54:74, 54:74] = 1
    yield Volume("patch, cube of 20", cube, 3, (2.0, 2.0, 2.0))


def ellipsoid(shape: tuple[int, ...], radii: list[float]) -> np.ndarray:
    """Boolean volume holding a centred ellipsoid with `radii` in voxels."""
    grid = np.ogrid[tuple(slice(0, size) for size in shape)]
    squares = [((x - (n - 1) / 2) / r) ** 2 for x, n, r in zip(grid, shape, radii, strict=True)]
    return np.asarray(sum(squares) <= 1)


def _processor() -> str:
    models = Path("/proc/cpuinfo")
    lines = models.read_text().splitlines() if models.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
