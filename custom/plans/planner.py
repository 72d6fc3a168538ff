"""From a data set's fingerprint to a plan, by nnU-Net v2.8.1's rules for `3d_fullres`.

nnU-Net plans in the order of the axes in the files; a plan here names anatomical axes, so that files of several
orientations are planned, trained and labelled alike. Where all files share one orientation the plan is nnU-Net's, axis
by axis.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import __version__
from ..errors import InputError
from ..fingerprint.case_intensity import ct_intensity
from ..fingerprint.summary import Fingerprint
from .configuration import REFERENCE_MEMORY_GB, FullResolution, plan_full_resolution
from .mirroring import mirror_axes
from .topology import CONVOLUTIONS, Topology

CT, ZSCORE = "ct", "zscore"
NETWORK = "NativeScaleDynUNet"
LEAST_LEVELS = 3
DIGITS = 6  # of spacings and statistics: more than a header keeps


def make_plan_of(
    fingerprint: Fingerprint,
    classes: Sequence[str],
    channels: Sequence[str],
    memory_gb: float = REFERENCE_MEMORY_GB,
    name: str = "",
) -> tuple[dict[str, Any], FullResolution]:
    """A plan as plain data, and the figures behind it, which `decisions` explains.

    Args:
        classes: names of the foreground classes; ids are their positions, from 1.
        channels: a name for each channel of a scan.

    Raises InputError: a name twice, another number of channels than the scans have, two-dimensional scans, too little
    memory, or a CT without a labelled voxel.
    """
    for kind, names in (("classes", classes), ("channels", channels)):
        if len(set(names)) < len(names):
            raise InputError(f"{kind} are named {', '.join(names)}; give each a name of its own with --{kind}")
    if len(channels) != len(fingerprint.lowest):
        raise InputError(
            f"{len(channels)} channels are named ({', '.join(channels)}) but a scan has {len(fingerprint.lowest)}; "
            "name each of them with --channels, or correct channel_names in dataset.json"
        )
    figures = plan_full_resolution(fingerprint.spacings, fingerprint.shapes, len(classes) + 1, memory_gb)
    orientation = "".join(fingerprint.axes[axis] for axis in figures.order)
    topology = figures.configuration.topology
    normalisation = normalisation_of(channels)
    plan = {
        "name": name,
        "classes": list(classes),
        "channels": list(channels),
        "orientation": orientation,
        "spacing": _rounded(figures.spacing),
        "normalisation": normalisation,
        "intensity": ct_intensity(fingerprint.intensities[0], len(fingerprint.names)) if normalisation == CT else None,
        "patch_size": list(topology.patch_size),
        "batch_size": figures.configuration.batch_size,
        "mirror_axes": mirror_axes(orientation, classes),
        "network": network_of(topology),
        "scoring": {"tubular": [], "nsd_tolerance_mm": surface_tolerance(figures.spacing), "groups": {}},
        "fingerprint": summary_of(fingerprint, classes, channels, orientation),
        "code_version": __version__,
    }
    return plan, figures


def network_of(topology: Topology) -> dict[str, Any]:
    """The network's entry of a plan; MONAI's U-Net has three levels at least, so tiny scans get levels of stride 1."""
    missing = range(LEAST_LEVELS - len(topology.strides))
    return {
        "name": NETWORK,
        "filters": [*topology.filters, *(topology.filters[-1] for _ in missing)],
        "strides": [*map(list, topology.strides), *([1, 1, 1] for _ in missing)],
        "kernel_size": [*map(list, topology.kernel_size), *([3, 3, 3] for _ in missing)],
        "convolutions": CONVOLUTIONS,
    }


def normalisation_of(channels: Sequence[str]) -> str:
    """`ct` for one channel called CT, in any case; anything else is normalised volume by volume.

    nnU-Net decides channel by channel; a plan has one normalisation for all.
    """
    return CT if [name.casefold() for name in channels] == ["ct"] else ZSCORE


def surface_tolerance(spacing: Sequence[float]) -> float:
    """Twice the finest spacing in mm: a first guess of how far experts agree.

    To half a millimetre, 1 at least, where that is not many voxels: below 0.25 mm, as of small animals, it would be.
    """
    finest = float(min(spacing))
    return max(1.0, round(2 * 2 * finest) / 2) if finest >= 0.25 else float(f"{2 * finest:.3g}")


def summary_of(
    fingerprint: Fingerprint, classes: Sequence[str], channels: Sequence[str], orientation: str
) -> dict[str, Any]:
    """The fingerprint as it is read in a plan; spacings and shapes in the order of `orientation`."""
    order = [fingerprint.axes.index(axis) for axis in orientation]
    spacings, shapes = fingerprint.spacings[:, order], fingerprint.shapes[:, order]
    return {
        "cases": len(fingerprint.names),
        "spacing": {
            "min": _rounded(spacings.min(axis=0)),
            "median": _rounded(np.median(spacings, axis=0)),
            "max": _rounded(spacings.max(axis=0)),
        },
        "shape_after_cropping": {
            "min": shapes.min(axis=0).tolist(),
            "median": np.median(shapes, axis=0).tolist(),
            "max": shapes.max(axis=0).tolist(),
        },
        "relative_size_after_cropping": round(fingerprint.relative_size, DIGITS),
        "orientations": fingerprint.orientation_counts,
        "foreground_share": float(f"{fingerprint.foreground_share:.3g}"),
        "foreground_intensities": [
            {"channel": channel, **{key: round(value, DIGITS) for key, value in statistics.items()}}
            for channel, statistics in zip(channels, fingerprint.intensities, strict=True)
        ],
        "cases_with_class": dict(zip(classes, fingerprint.present, strict=True)),
        "cases_annotated_for_class": dict(zip(classes, fingerprint.annotated, strict=True)),
    }


def _rounded(values: Sequence[float] | np.ndarray) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
