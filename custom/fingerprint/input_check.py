"""Whether a scan is like those that a network was trained on.

A network answers any scan. Checked here is only whether one lies outside everything it has seen: the ranges of
the training scans, with wide margins, so that a scan of the same kind is never called unusual.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .dataset_fingerprint import CaseRecord
from .scan_figures import AXES, ChannelFigures, ScanFigures

SPACING_FACTOR = 2.0  # finer or coarser than any training scan
EXTENT_FACTOR = 1.5  # smaller or larger than any
TILT_DEGREES = 15.0  # further from the anatomical axes than any
INTENSITIES = ("low", "median", "high")  # percentiles 0.5, 50 and 99.5
NAMES = dict(zip(INTENSITIES, ("0.5th percentile", "median", "99.5th percentile"), strict=True))
AIR = -1024.0  # HU; what is lower is padding
# how far below and above the training scans: CT in HU; else in deviations of the scan, whose scale has no meaning
CT_MARGINS = {"low": (150.0, 200.0), "median": (200.0, 200.0), "high": (250.0, 1500.0)}
MARGINS = {"low": (2.0, 1.0), "median": (1.0, 1.0), "high": (1.0, 3.0)}
AUTOCORRELATION = "autocorrelation"
LESS_CORRELATED = 0.25  # by how much neighbouring voxels may correlate less than in any training scan
LIKE_CT = -100.0  # of channels that were never negative: a value that only CT reaches
CT = "CT"
MAGNETIC = ("mr", "t1", "t2", "flair", "dwi", "adc", "pd")  # how names of MRI's channels begin
UNUSUAL = "unusual_input"  # the entry of an image's metadata that keeps what was found

Ranges = Mapping[str, Any]


def scan_ranges(records: Sequence[CaseRecord]) -> dict[str, Any]:
    """What the scans of `records` are like, for the plan: [least, greatest] of each figure; {} of no scans.

    Intensities are in the scans' units and, next to them, in deviations from the scan's mean.
    """
    scans = [record.figures for record in records if record.figures is not None]
    if not scans:
        return {}
    return {
        "cases": len(scans),
        "axes": sorted({scan.axes for scan in scans}),
        "tilt": max(scan.tilt for scan in scans),
        "spacing": {axis: _range([scan.spacing[place] for scan in scans]) for place, axis in enumerate(AXES)},
        "extent": {axis: _range([scan.extent[place] for scan in scans]) for place, axis in enumerate(AXES)},
        "intensity": [_channel_ranges(channels) for channels in zip(*(scan.channels for scan in scans), strict=True)],
    }


def unusual(scan: ScanFigures, plan: Mapping[str, Any], modality: str = "") -> str:
    """How a scan differs from those a plan's network was trained on, with the figures; "" where it does not.

    Args:
        scan: its figures.
        plan: with `fingerprint: {scans: ...}`, see `scan_ranges`; of plans without, the modality alone is compared.
        modality: as DICOM names it, "" where it is unknown.
    """
    ranges = plan["fingerprint"].get("scans") or {}
    found = _modality(modality, plan)
    if ranges:
        found += _axes(scan, ranges)
        found += _sizes("spacing", scan.spacing, ranges, SPACING_FACTOR)
        found += _sizes("extent", scan.extent, ranges, EXTENT_FACTOR)
        for name, channel, known in zip(plan["channels"], scan.channels, ranges["intensity"], strict=False):
            found += _intensities(channel, known, plan["normalisation"], name if len(scan.channels) > 1 else "")
    return "; ".join(found)


def _modality(modality: str, plan: Mapping[str, Any]) -> list[str]:
    names = [name.casefold() for name in plan["channels"]]
    wanted = CT if names == [CT.casefold()] else "MR" if all(name.startswith(MAGNETIC) for name in names) else ""
    return [f"modality {modality} (trained on {wanted})"] if modality and wanted and modality != wanted else []


def _axes(scan: ScanFigures, ranges: Ranges) -> list[str]:
    found = []
    if scan.axes not in ranges["axes"]:
        found.append(f"axes along {scan.axes} (training {', '.join(ranges['axes'])})")
    if scan.tilt > ranges["tilt"] + TILT_DEGREES:
        found.append(f"axes tilted by {scan.tilt:.0f} degrees (training up to {ranges['tilt']:.0f})")
    return found


def _sizes(what: str, sizes: Sequence[float], ranges: Ranges, factor: float) -> list[str]:
    """One text for all axes of which one lies outside."""
    known = [ranges[what][axis] for axis in AXES]
    if all(least / factor <= size <= greatest * factor for size, (least, greatest) in zip(sizes, known, strict=True)):
        return []
    shown = " x ".join(f"{size:.3g}" for size in sizes)
    return [f"{what} {shown} mm (training {' x '.join(_shown(least, greatest) for least, greatest in known)})"]


def _intensities(channel: ChannelFigures, known: Mapping[str, Any], normalisation: str, name: str) -> list[str]:
    of = f" of {name}" if name else ""
    # noise, or voxels read in a wrong order; plans of earlier releases do not have it
    if AUTOCORRELATION in known and channel.autocorrelation < known[AUTOCORRELATION][0] - LESS_CORRELATED:
        shown = f"{channel.autocorrelation:.2g} (training {_shown(*known[AUTOCORRELATION])})"
        return [f"correlation of neighbouring voxels{of} {shown}"]
    if normalisation == CT.casefold():
        values, ranges, margins, unit = _raw(channel), known["raw"], CT_MARGINS, " HU"
        values = {key: max(value, AIR) for key, value in values.items()}
    else:
        values, ranges, margins, unit = _standardised(channel), known["standardised"], MARGINS, " SD"
        if channel.low < LIKE_CT and known["raw"]["low"][0] >= 0:
            return [f"intensities{of} from {channel.low:.4g}, as in CT (training from {known['raw']['low'][0]:.4g})"]
    for key in INTENSITIES:
        (least, greatest), (below, above) = ranges[key], margins[key]
        if not max(least, AIR) - below <= values[key] <= max(greatest, AIR) + above:
            shown = f"{values[key]:.4g}{unit} (training {_shown(least, greatest)})"
            return [f"{NAMES[key]} of the intensities{of} {shown}"]
    return []


def _raw(channel: ChannelFigures) -> dict[str, float]:
    return {key: getattr(channel, key) for key in INTENSITIES}


def _standardised(channel: ChannelFigures) -> dict[str, float]:
    return {key: (value - channel.mean) / (channel.sd or 1.0) for key, value in _raw(channel).items()}


def _channel_ranges(channels: Sequence[ChannelFigures]) -> dict[str, Any]:
    return {
        kind: {key: _range([one[key] for one in map(values, channels)]) for key in INTENSITIES}
        for kind, values in (("raw", _raw), ("standardised", _standardised))
    } | {AUTOCORRELATION: _range([channel.autocorrelation for channel in channels])}


def _range(values: Sequence[float]) -> list[float]:
    return [float(f"{min(values):.6g}"), float(f"{max(values):.6g}")]


def _shown(least: float, greatest: float) -> str:
    return f"{least:.4g}" if least == greatest else f"{least:.4g} to {greatest:.4g}"
