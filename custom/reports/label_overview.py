"""A picture of one labelled scan: three slices at right angles through its structures."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .case_picture import SCAN, TRUTH, draw_panel, slice_case
from .drawing import INK, class_name, class_patches, new_figure, save_picture, shortened

VIEWS = {2: "axial", 1: "coronal", 0: "sagittal"}  # by the axis across the slice
_PANEL = 3.2  # inches: largest width and height
_ALARM = "#B00020"


def draw_label_overview(
    file: str | Path,
    name: str,
    image: np.ndarray,
    label: np.ndarray,
    spacing: Sequence[float],
    class_names: Sequence[str],
    volumes_ml: Mapping[str, float],
    window: tuple[float, float] | None = None,
    note: str = "",
) -> None:
    """Write a PNG of a scan's three views: above the slice alone, below with its label map, enlarged where it is small.

    Args:
        file: to write.
        name: of the scan.
        image, label: RAS arrays (X, Y, Z), class ids in the label.
        spacing: mm.
        class_names: of the foreground classes, ids 1, 2, ...
        volumes_ml: class -> mL, shown in the legend.
        window: intensities that are black and white; None: each slice's own.
        note: a warning under the title.
    """
    cases = [
        slice_case(
            name, image, label, label, spacing, axis=axis, window=window, index=slice_with_most_classes(label, axis)
        )
        for axis in VIEWS
    ]
    sizes = [tuple(np.multiply(case.truth.shape, case.pixel_mm)) for case in cases]  # height, width in mm
    scale = _PANEL / max(max(size) for size in sizes)
    widths, height = [max(0.8, scale * size[1]) for size in sizes], max(0.8, scale * max(size[0] for size in sizes))
    figure = new_figure(max(6.0, sum(widths) + 0.6), 2 * height + 1.6, layout="compressed")
    grid = figure.subplots(2, len(cases), squeeze=False, width_ratios=widths)
    for column, (case, view) in enumerate(zip(cases, VIEWS.values(), strict=True)):
        draw_panel(grid[0, column], case, SCAN)
        draw_panel(grid[1, column], case, TRUTH)
        grid[0, column].set_title(view, fontsize=10)
    figure.suptitle(shortened(name, 60), fontsize=12, weight="bold", color=INK)
    if note:
        figure.supxlabel("\n".join(textwrap.wrap(note, 100)), fontsize=8, color=_ALARM)
    found = [int(value) for value in np.unique(label[label > 0])]
    shown = [f"{one} {volumes_ml[one]:.3g} mL" if one in volumes_ml else one for one in class_names]
    if found:
        figure.legend(
            handles=class_patches(found, [*shown, *(class_name(value, class_names) for value in found[len(shown) :])]),
            loc="outside lower center",
            ncols=3,
            frameon=False,
            fontsize=9,
        )
    else:
        figure.text(0.5, 0.01, "no structure was found", ha="center", color=_ALARM)
    save_picture(figure, file)


def slice_with_most_classes(label: np.ndarray, axis: int) -> int:
    """Index of the slice across `axis` that shows most classes; of several that with most of them; else the middle."""
    others = tuple(other for other in range(label.ndim) if other != axis)
    ids = np.unique(label[label > 0])
    if not len(ids):
        return label.shape[axis] // 2
    counts = np.stack([np.count_nonzero(label == value, axis=others) for value in ids])  # (classes, slices)
    shares = (counts / counts.max(axis=1, keepdims=True)).sum(axis=0)
    return int(np.argmax((counts > 0).sum(axis=0) + shares / (len(ids) + 1)))
