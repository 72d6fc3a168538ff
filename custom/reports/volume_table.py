"""The volumes of labelled structures."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..geometry.voxel_volume import voxel_ml
from .text_table import Row, aligned

COLUMNS = ("scan", "structure", "voxels", "volume_mL", "mean_confidence_0_to_1", "reaches_edge", "unusual_input")
EDGE = COLUMNS[5]


def volume_rows(
    scan: str,
    label: np.ndarray,
    affine: np.ndarray,
    class_names: Sequence[str],
    confidence: Mapping[str, float],
    note: str,
) -> list[Row]:
    """One row for each class, found or not; volumes are voxels times the voxel's own, also on a sheared grid.

    "reaches_edge" is "yes" for what touches the scan's edge, of which there may be more than the scan shows.

    Args:
        scan: its name.
        label: class ids on the scan's grid.
        affine: (4, 4), voxels to mm.
        class_names: ids 1, 2, ...
        confidence: class -> mean of the network's largest probability where it found the class.
        note: how the scan is unlike those of the training, "" where it is not.
    """
    one_ml = voxel_ml(affine)
    counts = np.bincount(np.asarray(label, dtype=np.int64).ravel(), minlength=len(class_names) + 1)
    at_edge = edge_ids(label)
    values = [
        (
            *(scan, name, int(counts[number]), float(f"{counts[number] * one_ml:.6g}"), confidence.get(name)),
            *("yes" if number in at_edge else "", note),
        )
        for number, name in enumerate(class_names, start=1)
    ]
    return [dict(zip(COLUMNS, row, strict=True)) for row in values]


def edge_ids(label: np.ndarray) -> set[int]:
    """The ids in the first and last planes of a volume, along axes with more than two."""
    wide = [axis for axis, size in enumerate(label.shape) if size > 2]
    return {int(one) for axis in wide for place in (0, -1) for one in np.unique(label.take(place, axis))}


def empty_scans(rows: Sequence[Row]) -> list[str]:
    """The scans in which no class was found."""
    voxels: dict[str, int] = {}
    for row in rows:
        voxels[row["scan"]] = voxels.get(row["scan"], 0) + row["voxels"]
    return [scan for scan, count in voxels.items() if not count]


def describe_volumes(rows: Sequence[Row]) -> list[str]:
    """The table for the terminal."""
    titles = ["scan", "structure", "volume [mL]", "confidence"]
    lines = []
    for row in rows:
        volume, confidence = f"{'> ' if row[EDGE] else ''}{row['volume_mL']:.3g}", row[COLUMNS[4]]
        lines.append([row["scan"], row["structure"], volume, "" if confidence is None else f"{confidence:.2f}"])
    note = ["> : it reaches the scan's edge, and may be larger than the scan shows"]
    return aligned([titles, *lines], text_columns=(0, 1)) + (note if any(row[EDGE] for row in rows) else [])
