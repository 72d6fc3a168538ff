"""What a planner decided and why, and what in the data asks for a second look: lines for a reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..fingerprint.summary import Fingerprint
from .configuration import (
    ANISOTROPIC_PERCENTILE,
    ANISOTROPY,
    LOWRES_COVERAGE,
    REFERENCE_FEATURE_MAPS,
    REFERENCE_MEMORY_GB,
    SMALLEST_BATCH,
    FullResolution,
)
from .mirroring import paired_by_side
from .planner import CT

LARGEST_SPREAD = 3.0  # between the spacings of one axis
FEWEST_CASES = 5  # of a class: one in each of five folds
SMALLEST_SHARE = 0.001  # of a scan that belongs to classes
NAMED = 5  # cases listed by name
MASKED_BELOW = 0.75  # relative size after cropping from which nnU-Net normalises inside non-zero voxels only


class Decision(NamedTuple):
    """One decision of the planner."""

    what: str
    value: str
    why: str


def decisions(
    plan: dict[str, Any], figures: FullResolution, fingerprint: Fingerprint, memory_gb: float
) -> list[Decision]:
    """What was found and decided, in the order in which one follows from the other."""
    cases = plan["fingerprint"]["cases"]
    counts = ", ".join(f"{code} ({count})" for code, count in fingerprint.orientation_counts.items())
    return [
        Decision("cases", f"{cases}", f"{len(plan['classes'])} classes; {_channels_text(plan['channels'])}"),
        Decision("files", counts, "orientations (number of cases); scans are turned to the one below when read"),
        Decision("orientation", plan["orientation"], _orientation_reason(plan["spacing"])),
        Decision("spacing, mm", _by(plan["spacing"], ".4g"), _spacing_reason(figures)),
        Decision("median shape", _by(figures.median_shape, "g"), "at that spacing, cropped to non-zero voxels"),
        Decision("patch", _by(plan["patch_size"], "d"), _patch_reason(figures, memory_gb)),
        Decision("levels", _levels_text(plan["network"]), _levels_reason(plan["network"], figures.spacing)),
        Decision("features", " ".join(map(str, plan["network"]["filters"])), "doubled at each level, 320 at most"),
        Decision("batch", str(plan["batch_size"]), _batch_reason(figures, cases, memory_gb)),
        Decision("normalisation", _normalisation_text(plan), _normalisation_reason(plan, fingerprint)),
        Decision("mirroring", _mirroring_text(plan), _mirroring_reason(plan)),
        Decision("tolerance, mm", f"{plan['scoring']['nsd_tolerance_mm']:g}", "of surface Dice: twice the finest "
                "spacing; replace it by how far experts differ, where known"),
        Decision("low resolution", *_lowres(figures)),
    ]  # fmt: skip


def warnings(plan: dict[str, Any], fingerprint: Fingerprint) -> list[str]:
    """One line for each property of the data that often is a mistake, or makes training fail silently."""
    return [
        *_orientation_warnings(fingerprint),
        *_spacing_warnings(plan["fingerprint"]["spacing"], plan["orientation"]),
        *_class_warnings(plan["classes"], fingerprint),
        *_foreground_warnings(fingerprint),
    ]


def table(decided: Sequence[Decision]) -> list[str]:
    """Lines with aligned columns; the last one is as long as it is."""
    widths = [max(len(row[column]) for row in decided) for column in (0, 1)]
    return [f"{row.what:<{widths[0]}}  {row.value:<{widths[1]}}  {row.why}".rstrip() for row in decided]


def _orientation_warnings(fingerprint: Fingerprint) -> list[str]:
    counts = fingerprint.orientation_counts
    if len(counts) == 1:
        return []
    common = next(iter(counts))
    others = [
        f"{name} ({code})"
        for name, code in zip(fingerprint.names, fingerprint.orientations, strict=True)
        if code != common
    ]
    return [
        f"{len(others)} of {len(fingerprint.names)} files are not oriented {common} as the others: {_listed(others)}; "
        "make sure that their headers are right"
    ]


def _spacing_warnings(spacing: dict[str, list[float]], orientation: str) -> list[str]:
    return [
        f"spacings along {axis} spread from {least:g} to {greatest:g} mm, more than a factor of {LARGEST_SPREAD:g}; "
        "look at the extremes, and consider another data set for them"
        for axis, least, greatest in zip(orientation, spacing["min"], spacing["max"], strict=True)
        if greatest > LARGEST_SPREAD * least
    ]


def _class_warnings(classes: Sequence[str], fingerprint: Fingerprint) -> list[str]:
    return [
        f"class {name} is present in {present} cases"
        + (f" (of {annotated} annotated for it)" if annotated < len(fingerprint.names) else "")
        + f", fewer than {FEWEST_CASES}: some folds will not see it; add cases, or leave the class out"
        for name, present, annotated in zip(classes, fingerprint.present, fingerprint.annotated, strict=True)
        if present < FEWEST_CASES
    ]


def _foreground_warnings(fingerprint: Fingerprint) -> list[str]:
    if fingerprint.foreground_share >= SMALLEST_SHARE:
        return []
    return [
        f"all classes together are {fingerprint.foreground_share:.2g} of the median scan, less than "
        f"{SMALLEST_SHARE:.1%}: crop the scans to the region of interest, or expect a long training"
    ]


def _channels_text(channels: Sequence[str]) -> str:
    return f"channel {channels[0]}" if len(channels) == 1 else f"channels {', '.join(channels)}"


def _orientation_reason(spacing: Sequence[float]) -> str:
    if max(spacing) == min(spacing):
        return "of the network's axes: the spacing is the same along all, as most files have them"
    return "of the network's axes: the coarsest first, the others as most files have them"


def _spacing_reason(figures: FullResolution) -> str:
    if not figures.anisotropic:
        return "median of each axis"
    return (
        f"median of each axis; slices more than {ANISOTROPY:g} times thicker and fewer than in-plane voxels: their "
        f"{ANISOTROPIC_PERCENTILE:g}th percentile"
    )


def _patch_reason(figures: FullResolution, memory_gb: float) -> str:
    limit = REFERENCE_FEATURE_MAPS * memory_gb / REFERENCE_MEMORY_GB
    return (
        f"{figures.coverage:.0%} of the median scan; feature maps {figures.configuration.estimate / 1e6:.0f} of "
        f"{limit / 1e6:.0f} million voxels that fit {memory_gb:g} GB"
    )


def _levels_text(network: dict[str, Any]) -> str:
    """Strides of the levels, such as 1x1x1 1x2x2 2x2x2 (3): a stride repeated is counted."""
    runs: list[list[Any]] = []
    for stride in (_by(level, "d", "x") for level in network["strides"]):
        if runs and runs[-1][0] == stride:
            runs[-1][1] += 1
        else:
            runs.append([stride, 1])
    return ", ".join(stride if count == 1 else f"{stride} ({count})" for stride, count in runs)


def _levels_reason(network: dict[str, Any], spacing: Sequence[float]) -> str:
    flat = sum(1 in kernel for kernel in network["kernel_size"])
    reason = f"strides of {len(network['strides'])} levels: pooled while 4 voxels remain and spacings are within 2"
    if not flat:
        return f"{reason}; kernels 3x3x3"
    kernel = _by(network["kernel_size"][0], "d", "x")
    return f"{reason}; kernels {kernel} first ({max(spacing) / min(spacing):.1f} times coarser slices), 3x3x3 below"


def _batch_reason(figures: FullResolution, cases: int, memory_gb: float) -> str:
    batch = figures.configuration.batch_size
    limit = REFERENCE_FEATURE_MAPS * memory_gb / REFERENCE_MEMORY_GB
    if round(limit / figures.configuration.estimate * 2) == batch > SMALLEST_BATCH:
        return "as many patches as fit the memory"
    if batch > SMALLEST_BATCH:
        return f"5 % of the voxels of {cases} scans"
    return f"{SMALLEST_BATCH} at least; more memory goes into the patch"


def _normalisation_text(plan: dict[str, Any]) -> str:
    found = plan["intensity"]
    if found is None:
        return "z-score"
    return f"CT, {found['lower']:g} to {found['upper']:g}"


def _normalisation_reason(plan: dict[str, Any], fingerprint: Fingerprint) -> str:
    if plan["normalisation"] == CT:
        found = plan["intensity"]
        return (
            f"0.5 and 99.5 % of the foreground, then its mean {found['mean']:.1f} and sd {found['sd']:.1f}, each case "
            "weighing the same"
        )
    names = [name for name in plan["channels"] if name.casefold() == "ct"]
    reason = "mean and sd of each volume and channel"
    if names:
        reason += "; nnU-Net would clip channel CT alone"
    if fingerprint.relative_size < MASKED_BELOW:
        reason += f"; nnU-Net takes non-zero voxels only (cropping leaves {fingerprint.relative_size:.0%})"
    return reason


def _mirroring_text(plan: dict[str, Any]) -> str:
    return ", ".join(f"axis {axis} ({plan['orientation'][axis]})" for axis in plan["mirror_axes"]) or "none"


def _mirroring_reason(plan: dict[str, Any]) -> str:
    pairs = paired_by_side(plan["classes"])
    if not pairs:
        return "no classes that differ by side"
    more = f" and {len(pairs) - 1} more pairs" if len(pairs) > 1 else ""
    return f"not left-right: {' and '.join(pairs[0])}{more} differ by side"


def _lowres(figures: FullResolution) -> tuple[str, str]:
    covered = f"a patch covers {figures.coverage:.0%} of the median scan"
    if figures.lowres_spacing is None:
        return "not needed", f"{covered}; Dice per sample"
    return (
        _by(figures.lowres_spacing, ".3g"),
        f"{covered}, less than {LOWRES_COVERAGE:.0%}: nnU-Net would also plan 3d_lowres with this spacing, and batch "
        "Dice",
    )


def _listed(items: Sequence[str]) -> str:
    shown = ", ".join(items[:NAMED])
    return f"{shown} and {len(items) - NAMED} more" if len(items) > NAMED else shown


def _by(values: Sequence[float], form: str, sign: str = " x ") -> str:
    return sign.join(format(int(value) if form == "d" else value, form) for value in values)
