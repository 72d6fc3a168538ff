"""What a planner decided and why, and what in the data asks for a second look: lines for a reader."""

from collections.abc import Sequence
from itertools import groupby
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
from .mirroring import one_sided, paired_by_side
from .plan import INTENSITY
from .planner import CT

LARGEST_SPREAD = 3.0  # between the spacings of one axis
OTHER_NORMALISATIONS = ("nonorm", "rescale_to_0_1", "rgb_to_0_1")  # nnU-Net's words for a channel's
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
    cases, spacing, channels = plan["fingerprint"]["cases"], plan["spacing"], plan["channels"]
    limit = REFERENCE_FEATURE_MAPS * memory_gb / REFERENCE_MEMORY_GB
    estimate = figures.configuration.estimate
    alike = (
        "the spacing is the same along all, as" if max(spacing) == min(spacing) else "the coarsest first, the others as"
    )
    thick = (
        f"; slices more than {ANISOTROPY:g} times thicker and fewer than in-plane voxels: their "
        f"{ANISOTROPIC_PERCENTILE:g}th percentile"
    )
    part = f", less than {LOWRES_COVERAGE:.0%}: nnU-Net would consider 3d_lowres, too"
    mirrored = ", ".join(f"axis {axis} ({plan['orientation'][axis]})" for axis in plan["mirror_axes"]) or "none"
    return [
        Decision("cases", f"{cases}",
                 f"{len(plan['classes'])} classes; channel{'s' * (len(channels) > 1)} {', '.join(channels)}"),
        Decision("files", ", ".join(f"{code} ({count})" for code, count in fingerprint.orientation_counts.items()),
                 "orientations (number of cases); scans are turned to the one below when read"),
        Decision("orientation", plan["orientation"], f"of the network's axes: {alike} most files have them"),
        Decision("spacing, mm", _by(spacing, ".4g"), "median of each axis" + thick * figures.anisotropic),
        Decision("median shape", _by(figures.median_shape, "g"), "at that spacing, cropped to non-zero voxels"),
        Decision("patch", _by(plan["patch_size"], "d"),
                 f"{figures.coverage:.0%} of the median scan{part * (figures.coverage < LOWRES_COVERAGE)}; feature "
                 f"maps {estimate / 1e6:.0f} of {limit / 1e6:.0f} million voxels that fit {memory_gb:g} GB"),
        Decision("levels", *_levels(plan["network"], figures.spacing)),
        Decision("features", " ".join(map(str, plan["network"]["filters"])), "doubled at each level, 320 at most"),
        Decision("batch", str(plan["batch_size"]), _batch_reason(figures, cases, limit)),
        Decision("normalisation", *_normalisation(plan, fingerprint)),
        Decision("mirroring", mirrored, _mirroring_reason(plan)),
        Decision("tolerance, mm", f"{plan['scoring']['nsd_tolerance_mm']:g}", "of surface Dice: twice the finest "
                "spacing, from 0.25 mm on 1 mm at least; replace it by how far experts differ, where known"),
    ]  # fmt: skip


def warnings(plan: dict[str, Any], fingerprint: Fingerprint) -> list[str]:
    """One line for each property of the data that often is a mistake, or makes training fail silently."""
    common, cases = next(iter(fingerprint.orientation_counts)), len(fingerprint.names)
    oriented = zip(fingerprint.names, fingerprint.orientations, strict=True)
    others = [f"{name} ({code})" for name, code in oriented if code != common]
    lines = []
    if others:
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        lines.append(
            f"{len(others)} of {cases} files are not oriented {common} as the others: {', '.join(others[:NAMED])}"
            f"{more}; make sure that their headers are right"
        )
    spacing = plan["fingerprint"]["spacing"]
    for axis, least, greatest in zip(plan["orientation"], spacing["min"], spacing["max"], strict=True):
        if greatest > LARGEST_SPREAD * least:
            lines.append(
                f"spacings along {axis} spread from {least:g} to {greatest:g} mm, more than a factor of "
                f"{LARGEST_SPREAD:g}; look at the extremes, and consider another data set for them"
            )
    for name, present, annotated in zip(plan["classes"], fingerprint.present, fingerprint.annotated, strict=True):
        if present < FEWEST_CASES:
            of = f" (of {annotated} annotated for it)" if annotated < cases else ""
            lines.append(
                f"class {name} is present in {present} cases{of}, fewer than {FEWEST_CASES}: some folds will not see "
                "it; add cases, or leave the class out"
            )
    if fingerprint.foreground_share < SMALLEST_SHARE:
        lines.append(
            f"all classes together are {fingerprint.foreground_share:.2g} of the median scan, less than "
            f"{SMALLEST_SHARE:.1%}: crop the scans to the region of interest, or expect a long training"
        )
    return lines


def table(decided: Sequence[Decision]) -> list[str]:
    """Lines with aligned columns; the last one is as long as it is."""
    widths = [max(len(row[column]) for row in decided) for column in (0, 1)]
    return [f"{row.what:<{widths[0]}}  {row.value:<{widths[1]}}  {row.why}".rstrip() for row in decided]


def _levels(network: dict[str, Any], spacing: Sequence[float]) -> tuple[str, str]:
    """Strides of the levels, such as 1x1x1, 1x2x2, 2x2x2 (3): one repeated is counted; and the kernels."""
    runs = [(one, len(list(run))) for one, run in groupby(_by(level, "d", "x") for level in network["strides"])]
    kernels = "kernels 3x3x3"
    if any(1 in kernel for kernel in network["kernel_size"]):
        first = _by(network["kernel_size"][0], "d", "x")
        kernels = f"kernels {first} first ({max(spacing) / min(spacing):.1f} times coarser slices), 3x3x3 below"
    levels = len(network["strides"])
    return (
        ", ".join(one if count == 1 else f"{one} ({count})" for one, count in runs),
        f"strides of {levels} levels: pooled while 4 voxels remain and spacings are within 2; {kernels}",
    )


def _batch_reason(figures: FullResolution, cases: int, limit: float) -> str:
    batch = figures.configuration.batch_size
    if batch <= SMALLEST_BATCH:
        return f"{SMALLEST_BATCH} at least; more memory goes into the patch"
    fits = round(limit / figures.configuration.estimate * 2) == batch
    return "as many patches as fit the memory" if fits else f"5 % of the voxels of {cases} scans"


def _normalisation(plan: dict[str, Any], fingerprint: Fingerprint) -> tuple[str, str]:
    if plan["normalisation"] == CT:
        lower, upper, mean, sd = (plan["intensity"][key] for key in INTENSITY)
        reason = f"then its mean {mean:.1f} and sd {sd:.1f}, each case weighing the same"
        return f"CT, {lower:g} to {upper:g}", f"0.5 and 99.5 % of the foreground, {reason}"
    reason = "mean and sd of each volume and channel"
    if any(name.casefold() == "ct" for name in plan["channels"]):
        reason += "; nnU-Net would clip channel CT alone"
    if any(name.casefold() in OTHER_NORMALISATIONS for name in plan["channels"]):
        reason += f"; nnU-Net would not: a channel is called {', '.join(plan['channels'])}"
    if fingerprint.relative_size < MASKED_BELOW:
        reason += f"; nnU-Net takes non-zero voxels only (cropping leaves {fingerprint.relative_size:.0%})"
    return "z-score", reason


def _mirroring_reason(plan: dict[str, Any]) -> str:
    pairs, sided = paired_by_side(plan["classes"]), one_sided(plan["classes"])
    if not sided:
        return "no class belongs to one side"
    if not pairs:
        return f"not left-right: mirrored, the other side would be taught as {sided[0]}"
    more = f" and {len(pairs) - 1} more pairs" if len(pairs) > 1 else ""
    return f"not left-right: {' and '.join(pairs[0])}{more} differ by side"


def _by(values: Sequence[float], form: str, sign: str = " x ") -> str:
    return sign.join(format(int(value) if form == "d" else value, form) for value in values)
