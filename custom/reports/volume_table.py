"""The volumes of labelled structures."""

from collections.abc import Mapping, Sequence

import numpy as np

from .text_table import Row, aligned

COLUMNS = ("scan", "structure", "voxels", "volume_mL", "mean_confidence_0_to_1", "unusual_input")


def volume_rows(
    scan: str,
    label: np.ndarray,
    affine: np.ndarray,
    class_names: Sequence[str],
    confidence: Mapping[str, float],
    note: str,
) -> list[Row]:
    """One row for each class, found or not; volumes are voxels times the voxel's own, also on a sheared grid.

    Args:
        scan: its name.
        label: class ids on the scan's grid.
        affine: (4, 4), voxels to mm.
        class_names: ids 1, 2, ...
        confidence: class -> mean of the network's largest probability where it found the class.
        note: how the scan is unlike those of the training, "" where it is not.
    """
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    counts = np.bincount(np.asarray(label, dtype=np.int64).ravel(), minlength=len(class_names) + 1)
    values = [
        (scan, name, int(counts[number]), float(f"{counts[number] * voxel_ml:.6g}"), confidence.get(name), note)
        for number, name in enumerate(class_names, start=1)
    ]
    return [dict(zip(COLUMNS, row, strict=True)) for row in values]


def describe_volumes(rows: Sequence[Row]) -> list[str]:
    """The table for the terminal."""
    titles = ["scan", "structure", "volume [mL]", "confidence"]
    lines = [[row["scan"], row["structure"], f"{row['volume_mL']:.3g}", _shown(row[COLUMNS[4]])] for row in rows]
    return aligned([titles, *lines], text_columns=(0, 1))


def _shown(confidence: float | None) -> str:
    return "" if confidence is None else f"{confidence:.2f}"
