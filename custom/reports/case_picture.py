"""A picture of cases: scan, truth, prediction and distance field, one row a case."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from ..errors import InputError
from . import drawing

SCAN, TRUTH, PREDICTION, FIELD = "scan", "truth", "prediction", "distance field"
_PATIENT_SIDES = (("R", "L"), ("A", "P"), ("S", "I"))  # high and low end of each axis of an RAS array
_PANEL = 3.2  # inches: largest width and height
_ZOOM_SMALLEST, _ZOOM_LARGEST = 0.2, 0.75  # part of the view's side; a region larger than that is not zoomed into
_ZOOM_MARGIN = 0.35  # on each side of the region, as part of its extent
_SMALL = FontProperties(size=7.5)
_SCALE_BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True, eq=False)
class CasePicture:
    """What one row shows: single slices as they lie on the page, row 0 at the top, column 0 at the left.

    `image`, `truth`, `prediction` and `field` (or None) have the shape (rows, columns); labels are class ids,
    0 background; the field is within 0..1. `pixel_mm` is the size of a pixel along rows and columns, `sides` the
    letters of the patient's sides at the left, right, top and bottom.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    pixel_mm: tuple[float, float]
    sides: tuple[str, str, str, str] = ("", "", "", "")
    field: np.ndarray | None = None
    caption: str = ""


def slice_case(
    name: str,
    image: np.ndarray,
    truth: np.ndarray,
    prediction: np.ndarray,
    spacing: Sequence[float],
    field: np.ndarray | None = None,
    axis: int | None = None,
    window: tuple[float, float] | None = None,
    index: int | None = None,
) -> CasePicture:
    """The slice of a case that shows most of its truth, as 8-bit image, 8-bit labels and half-float field.

    All are RAS arrays (X, Y, Z), `spacing` is in mm. The slice lies across `axis`, by default the axis of the coarsest
    spacing (see `slicing_axis`); `index` names another slice. Anterior is shown at the left of a sagittal slice, the
    patient's right at the left of the others. Intensities are black and white at the ends of `window`, by default at
    the slice's 1st and 99.5th percentile. Raises InputError: the arrays do not have one shape (X, Y, Z).
    """
    shapes = {"image": image.shape, "truth": truth.shape, "prediction": prediction.shape}
    if field is not None:
        shapes["field"] = field.shape
    if truth.ndim != 3 or len(set(shapes.values())) != 1:
        listed = ", ".join(f"{kind} {shape}" for kind, shape in shapes.items())
        raise InputError(f"{name}: a picture needs one grid (X, Y, Z), found {listed}; bring all to the same grid")
    across = slicing_axis(spacing) if axis is None else axis
    index = slice_with_most_foreground(truth, prediction, across) if index is None else index
    rows, columns = (2, 1) if across == 0 else (2, 0) if across == 1 else (1, 0)
    return CasePicture(
        name=name,
        image=_as_grey(page(image, across, index), window),
        truth=page(truth, across, index).astype(np.uint8),
        prediction=page(prediction, across, index).astype(np.uint8),
        pixel_mm=(float(spacing[rows]), float(spacing[columns])),
        sides=(*_PATIENT_SIDES[columns], *_PATIENT_SIDES[rows]),
        field=None if field is None else page(np.clip(field, 0, 1), across, index).astype(np.float16),
    )


def page(volume: np.ndarray, axis: int, index: int) -> np.ndarray:
    """A slice of an RAS volume as it lies on the page: anterior or the patient's right at the left."""
    return np.ascontiguousarray(np.take(volume, index, axis=axis).T[::-1, ::-1])


def slicing_axis(spacing: Sequence[float]) -> int:
    """The axis of the coarsest spacing; on a nearly isotropic grid (within 10 %) the last, which is axial."""
    coarse = np.asarray(spacing, dtype=float) >= 0.9 * max(spacing)
    return int(np.flatnonzero(coarse)[-1])


def slice_with_most_foreground(truth: np.ndarray, prediction: np.ndarray, axis: int) -> int:
    """Index of the slice across `axis` with most truth, without truth most prediction, without both the middle.

    Of several such slices it is the middle one.
    """
    others = tuple(a for a in range(truth.ndim) if a != axis)
    for label in (truth, prediction):
        counts = np.count_nonzero(label > 0, axis=others)
        if counts.max() > 0:
            best = np.flatnonzero(counts == counts.max())
            return int(best[(len(best) - 1) // 2])
    return truth.shape[axis] // 2


def region_of_interest(foreground: np.ndarray) -> tuple[float, float, float, float] | None:
    """Top, bottom, left and right (pixels) of a window around the foreground, of the proportions of the view.

    None where there is no foreground or where the window would be nearly the view.
    """
    if not foreground.any():
        return None
    ends = [np.flatnonzero(foreground.any(axis=1 - axis))[[0, -1]] for axis in range(2)]
    extents = [(last - first + 1) / size for (first, last), size in zip(ends, foreground.shape, strict=True)]
    part = max(_ZOOM_SMALLEST, (1 + 2 * _ZOOM_MARGIN) * max(extents))
    if part > _ZOOM_LARGEST:
        return None
    top, left = (
        min(max((first + last + 1 - part * size) / 2, 0.0), (1 - part) * size)
        for (first, last), size in zip(ends, foreground.shape, strict=True)
    )
    return top, top + part * foreground.shape[0], left, left + part * foreground.shape[1]


def draw_cases(cases: Sequence[CasePicture], picture_file: str | Path, class_names: Sequence[str]) -> None:
    """Write a PNG with one row per case: scan, truth, prediction and, where a case has one, distance field.

    `class_names` are those of the foreground classes, ids 1, 2, ... Where truth and prediction are small, a frame in
    the scan marks the region that the other columns show enlarged. Raises InputError: there is no case to draw.
    """
    if not cases:
        raise InputError(f"{picture_file}: no case to draw; give at least one")
    has_field = any(case.field is not None for case in cases)
    columns = [SCAN, TRUTH, PREDICTION, *([FIELD] if has_field else [])]
    sizes = [tuple(np.multiply(case.truth.shape, case.pixel_mm)) for case in cases]  # height, width in mm
    heights = [_PANEL * min(1, height / width) for height, width in sizes]
    width = _PANEL * max(min(1, width / height) for height, width in sizes)
    size = (0.5 + len(columns) * width + (1.0 if has_field else 0), 0.8 + sum(heights))
    figure = drawing.new_figure(*size, layout="compressed")
    grid = figure.subplots(len(cases), len(columns), squeeze=False, height_ratios=heights)
    for row, case, height in zip(grid, cases, heights, strict=True):
        for axes, column in zip(row, columns, strict=True):
            draw_panel(axes, case, column)
        name = drawing.shortened(case.name, int(height * 12))
        row[0].set_ylabel(f"{case.caption}\n{name}" if case.caption else name, fontsize=9)
    for axes, column in zip(grid[0], columns, strict=True):
        axes.set_title(column, fontsize=11)
    if has_field:
        bar = figure.colorbar(ScalarMappable(cmap="magma"), ax=list(grid.flat), fraction=0.025, pad=0.01)
        bar.set_ticks([0, 0.5, 1], labels=["0 outside", "0.5 surface", "1 deepest"], fontsize=8)
    seen = {int(one) for case in cases for label in (case.truth, case.prediction) for one in np.unique(label)} - {0}
    outline = Line2D([], [], color="white", linewidth=1.2, label="outline of the truth", path_effects=drawing.DARK_EDGE)
    entries = [*drawing.class_patches(sorted(seen), class_names), outline]
    figure.legend(handles=entries, loc="outside lower center", ncols=2 * len(columns), frameon=False, fontsize=9)
    drawing.save_picture(figure, picture_file)


def _as_grey(image: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    """8-bit grey levels, black and white at the ends of a window."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    low, high = np.percentile(values, (1, 99.5)) if window is None else window
    if high <= low:
        low, high = float(values.min()), max(float(values.max()), float(values.min()) + 1)
    return grey_levels(values, low, high)


def grey_levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Intensities in 8 bits, 0 at `low` and 255 at `high`; what is no number counts as 0."""
    return np.round(np.clip((np.nan_to_num(values) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def draw_panel(axes: Axes, case: CasePicture, column: str) -> None:
    """One picture of a row: `SCAN`, `TRUTH`, `PREDICTION` or `FIELD`."""
    drawing.bare(axes)
    if column == FIELD and case.field is None:
        return
    page = drawing.page_extent(case.truth.shape, case.pixel_mm)
    if column == FIELD:
        axes.imshow(np.asarray(case.field, dtype=np.float32), cmap="magma", vmin=0, vmax=1, extent=page)
    else:
        axes.imshow(case.image, cmap="gray", vmin=0, vmax=255, extent=page, interpolation="bilinear")
    if column in (PREDICTION, FIELD):
        for colour, linewidth in (("black", 1.8), ("white", 0.8)):
            drawing.draw_outline(axes, case.truth > 0, case.pixel_mm, colour, linewidth)
    if column in (TRUTH, PREDICTION):
        label = case.truth if column == TRUTH else case.prediction
        drawing.draw_classes(axes, label, case.pixel_mm, map(int, np.unique(label[label > 0])), 0.2, 1.6)
    region = region_of_interest((case.truth > 0) | (case.prediction > 0))
    if region is not None:
        top, bottom, left, right = (value * case.pixel_mm[i // 2] for i, value in enumerate(region))
        if column == SCAN:
            frame = Rectangle((left, top), right - left, bottom - top, fill=False, color="white", linewidth=1)
            frame.set_path_effects(drawing.DARK_EDGE)
            axes.add_patch(frame)
        else:
            axes.set(xlim=(left, right), ylim=(bottom, top))
    if column == SCAN:
        mark_sides(axes, case.sides)
    if column in (SCAN, TRUTH):
        _draw_scale_bar(axes)


def mark_sides(axes: Axes, sides: Sequence[str]) -> None:
    """Letters of the patient's sides at the left, right, top and bottom of a panel."""
    for letter, place in zip(sides, ((0.04, 0.5), (0.96, 0.5), (0.5, 0.96), (0.5, 0.04)), strict=False):
        look: dict[str, Any] = {"color": "white", "fontsize": 8, "path_effects": drawing.DARK_EDGE}
        axes.annotate(letter, place, xycoords="axes fraction", ha="center", va="center", **look)


def _draw_scale_bar(axes: Axes) -> None:
    """A bar of a round length, about a quarter of the panel, at its lower left."""
    left, right = axes.get_xlim()
    length = max((one for one in _SCALE_BARS_MM if one <= 0.3 * (right - left)), default=1)
    style: dict[str, Any] = {
        "color": "white",
        "frameon": False,
        "label_top": True,
        "size_vertical": 0.008 * (right - left),
    }
    bar = AnchoredSizeBar(axes.transData, length, f"{length} mm", "lower left", fontproperties=_SMALL, **style)
    for part in bar.findobj():
        part.set_path_effects(drawing.DARK_EDGE)
    axes.add_artist(bar)
