"""A picture of cases: scan, truth, prediction and distance field, one row a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import AbstractPathEffect, withStroke

from ..errors import InputError
from ..io.atomic_write import replacing

# Okabe and Ito's colours, told apart by colour-blind readers, in the order of their contrast on a grey scan; from
# the eighth class on, Tol's muted colours, as distinct as so many can be.
CLASS_COLOURS = (
    *("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#F0E442", "#0072B2"),
    *("#44AA99", "#AA4499", "#DDCC77", "#882255", "#6699CC", "#999933", "#BBBBBB"),
)
DOTS_PER_INCH = 150

_PATIENT_SIDES = (("R", "L"), ("A", "P"), ("S", "I"))  # high and low end of each axis of an RAS array
_LARGEST_PANEL = (3.4, 3.2)  # inches: width, height
_GAP, _LEFT, _RIGHT = 0.08, 0.62, 0.95
_LINE = 0.26  # inches: one line of the title or the legend
# Keeps white letters and lines visible on bright tissue.
DARK_EDGE: list[AbstractPathEffect] = [withStroke(linewidth=2, foreground="black", alpha=0.75)]
_ZOOM_SMALLEST, _ZOOM_LARGEST = 0.2, 0.75  # part of the view's side; a region larger than that is not zoomed into


def class_colour(class_id: int) -> str:
    """The colour of a class (ids from 1), the same in every picture of this project."""
    return CLASS_COLOURS[(class_id - 1) % len(CLASS_COLOURS)]


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
    field_name: str = "distance field"
    caption: str = ""


def slice_case(
    name: str,
    image: np.ndarray,
    truth: np.ndarray,
    prediction: np.ndarray,
    spacing: Sequence[float],
    field: np.ndarray | None = None,
    field_name: str = "distance field",
    caption: str = "",
    axis: int | None = None,
) -> CasePicture:
    """The slice of a case that shows most of its truth, as 8-bit image, 8-bit labels and half-float field.

    `image`, `truth` and `prediction` are RAS arrays (X, Y, Z), `field` is (K, X, Y, Z) and shown as the maximum over
    its channels, `spacing` is in mm. The slice lies across `axis`, by default the axis of the coarsest spacing (see
    `slicing_axis`). Anterior is shown at the left of a sagittal slice, the patient's right at the left of the others.

    Raises:
        InputError: the arrays do not have one shape (X, Y, Z).
    """
    _check_shapes(name, image, truth, prediction, field)
    across = slicing_axis(spacing) if axis is None else axis
    index = slice_with_most_foreground(truth, prediction, across)
    rows, columns = (2, 1) if across == 0 else (2, 0) if across == 1 else (1, 0)

    def page(volume: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.take(volume, index, axis=across).T[::-1, ::-1])

    return CasePicture(
        name=name,
        image=_as_grey(page(image)),
        truth=page(truth).astype(np.uint8),
        prediction=page(prediction).astype(np.uint8),
        pixel_mm=(float(spacing[rows]), float(spacing[columns])),
        sides=(*_PATIENT_SIDES[columns], *_PATIENT_SIDES[rows]),
        field=None if field is None else page(np.clip(field.max(axis=0), 0, 1)).astype(np.float16),
        field_name=field_name,
        caption=caption,
    )


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


def region_of_interest(foreground: np.ndarray, margin: float = 0.35) -> tuple[float, float, float, float] | None:
    """Top, bottom, left and right (pixels) of a window around the foreground, of the proportions of the view.

    `margin` is what is added on each side, as part of the foreground's extent; None where there is no foreground or
    where the window would be nearly the view.
    """
    if not foreground.any():
        return None
    ends = [np.flatnonzero(foreground.any(axis=1 - axis))[[0, -1]] for axis in range(2)]
    extents = [(last - first + 1) / size for (first, last), size in zip(ends, foreground.shape, strict=True)]
    part = max(_ZOOM_SMALLEST, (1 + 2 * margin) * max(extents))
    if part > _ZOOM_LARGEST:
        return None
    window: list[float] = []
    for (first, last), size in zip(ends, foreground.shape, strict=True):
        start = min(max((first + last + 1 - part * size) / 2, 0.0), (1 - part) * size)
        window += [start, start + part * size]
    return window[0], window[1], window[2], window[3]


def draw_cases(
    cases: Sequence[CasePicture], picture_file: str | Path, class_names: Sequence[str], title: str = ""
) -> None:
    """Write a PNG with one row per case: scan, truth, prediction and, where a case has one, distance field.

    `class_names` are those of the foreground classes, ids 1, 2, ... Where truth and prediction are small, a frame in
    the scan marks the region that the other columns show enlarged.

    Raises:
        InputError: there is no case to draw.
    """
    if not cases:
        raise InputError(f"{picture_file}: no case to draw; give at least one")
    columns = ["scan", "truth", "prediction"]
    field_names = list(dict.fromkeys(case.field_name for case in cases if case.field is not None))
    if field_names:
        columns.append(" / ".join(field_names))
    panels = [_panel_size(case) for case in cases]
    width = max(size[0] for size in panels)
    legend = _legend_entries(cases, class_names)
    figure_width = _LEFT + len(columns) * (width + _GAP) + (_RIGHT if field_names else 0.1)
    legend_lines = -(-len(legend) // max(1, int((figure_width - _LEFT) / 1.9)))
    top = _LINE * (2.6 if title else 1.3)
    bottom = _LINE * (0.6 + legend_lines)
    height = top + sum(size[1] + _GAP for size in panels) + bottom
    figure = Figure(figsize=(figure_width, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    y = height - top
    for row, (case, (_, panel_height)) in enumerate(zip(cases, panels, strict=True)):
        y -= panel_height
        for column, name in enumerate(columns):
            x = _LEFT + column * (width + _GAP)
            box = (x / figure_width, y / height, width / figure_width, panel_height / height)
            axes = figure.add_axes(box, facecolor="white")
            _draw_panel(axes, case, column)
            if row == 0:
                axes.text(0.5, 1.02, name, transform=axes.transAxes, ha="center", va="bottom", fontsize=11)
        _label_row(figure, case, (0.3 / figure_width, (y + panel_height / 2) / height), panel_height)
        y -= _GAP
    if field_names:
        bar_height = min(panels[0][1], 2.6)
        bar_bottom = height - top - (panels[0][1] + bar_height) / 2
        x = _LEFT + len(columns) * (width + _GAP) + 0.05
        box = (x / figure_width, bar_bottom / height, 0.13 / figure_width, bar_height / height)
        _draw_colour_bar(figure, box)
    if title:
        figure.text(0.5, 1 - 0.35 * _LINE / height, title, ha="center", va="top", fontsize=13, weight="bold")
    figure.legend(
        handles=legend,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.1 * _LINE / height),
        ncols=-(-len(legend) // legend_lines),
        frameon=False,
        fontsize=9,
    )
    with replacing(picture_file) as temporary:
        figure.savefig(temporary, format="png")


def _check_shapes(
    name: str, image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, field: np.ndarray | None
) -> None:
    shapes = {"image": image.shape, "truth": truth.shape, "prediction": prediction.shape}
    if field is not None:
        shapes["field"] = field.shape[1:]
    if truth.ndim != 3 or len(set(shapes.values())) != 1:
        listed = ", ".join(f"{kind} {shape}" for kind, shape in shapes.items())
        raise InputError(f"{name}: a picture needs one grid (X, Y, Z), found {listed}; bring all to the same grid")


def _as_grey(image: np.ndarray) -> np.ndarray:
    """8-bit grey levels, black and white at the slice's 1st and 99.5th percentile."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    low, high = np.percentile(values, (1, 99.5))
    if high <= low:
        low, high = float(values.min()), max(float(values.max()), float(values.min()) + 1)
    return np.round(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def _size_mm(case: CasePicture) -> tuple[float, float]:
    """Height and width of the slice."""
    return case.truth.shape[0] * case.pixel_mm[0], case.truth.shape[1] * case.pixel_mm[1]


def _panel_size(case: CasePicture) -> tuple[float, float]:
    """Width and height in inches of the largest panel with the slice's proportions."""
    height, width = _size_mm(case)
    scale = min(_LARGEST_PANEL[0] / width, _LARGEST_PANEL[1] / height)
    return width * scale, height * scale


def _draw_panel(axes: Axes, case: CasePicture, column: int) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if column == 3 and case.field is None:
        return
    height, width = _size_mm(case)
    page = (0, width, height, 0)
    if column == 3:
        axes.imshow(np.asarray(case.field, dtype=np.float32), cmap="magma", vmin=0, vmax=1, extent=page)
    else:
        axes.imshow(case.image, cmap="gray", vmin=0, vmax=255, extent=page, interpolation="bilinear")
    region = region_of_interest((case.truth > 0) | (case.prediction > 0))
    window = None if region is None else tuple(v * case.pixel_mm[i // 2] for i, v in enumerate(region))
    if column >= 2:
        draw_outline(axes, case.truth > 0, case.pixel_mm, "black", 1.8)
        draw_outline(axes, case.truth > 0, case.pixel_mm, "white", 0.8)
    if column in (1, 2):
        _draw_classes(axes, case.truth if column == 1 else case.prediction, case.pixel_mm)
    axes.set_aspect("equal")
    if column == 0:
        _mark_sides(axes, case.sides)
        if window is not None:
            top, bottom, left, right = window
            frame = Rectangle((left, top), right - left, bottom - top, fill=False, color="white", linewidth=1)
            frame.set_path_effects(DARK_EDGE)
            axes.add_patch(frame)
    elif window is not None:
        axes.set_xlim(window[2], window[3])
        axes.set_ylim(window[1], window[0])
    if column <= 1:
        _draw_scale_bar(axes)


def _draw_classes(axes: Axes, label: np.ndarray, pixel_mm: tuple[float, float]) -> None:
    tint = np.zeros((*label.shape, 4), dtype=np.float32)
    for class_id in np.unique(label[label > 0]):
        tint[label == class_id] = (*to_rgb(class_colour(int(class_id))), 0.2)
    extent = (0, label.shape[1] * pixel_mm[1], label.shape[0] * pixel_mm[0], 0)
    axes.imshow(tint, extent=extent, interpolation="nearest")
    for class_id in np.unique(label[label > 0]):
        draw_outline(axes, label == class_id, pixel_mm, class_colour(int(class_id)), 1.6)


def draw_outline(axes: Axes, mask: np.ndarray, pixel_mm: tuple[float, float], colour: str, linewidth: float) -> None:
    """Outline a mask along the edges of its pixels, so that a single pixel is seen in its true size."""
    padded = np.pad(mask, 1)
    rows, columns = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.stack([np.stack([columns, rows], -1), np.stack([columns, rows + 1], -1)], 1)
    rows, columns = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    level = np.stack([np.stack([columns, rows], -1), np.stack([columns + 1, rows], -1)], 1)
    segments = np.concatenate([upright, level]) * np.array([pixel_mm[1], pixel_mm[0]])
    axes.add_collection(
        LineCollection(list(segments), colors=colour, linewidths=linewidth, capstyle="projecting"), autolim=False
    )


def _mark_sides(axes: Axes, sides: tuple[str, str, str, str]) -> None:
    places = (
        *((0.03, 0.5, "left", "center"), (0.97, 0.5, "right", "center")),
        *((0.5, 0.97, "center", "top"), (0.5, 0.03, "center", "bottom")),
    )
    for letter, (x, y, horizontal, vertical) in zip(sides, places, strict=True):
        place: dict[str, Any] = {"transform": axes.transAxes, "ha": horizontal, "va": vertical}
        axes.text(x, y, letter, color="white", fontsize=8, path_effects=DARK_EDGE, **place)


def _draw_scale_bar(axes: Axes) -> None:
    """A bar of a round length, about a quarter of the panel, at its lower left."""
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    width, height = right - left, bottom - top
    length = max((n for n in (1, 2, 5, 10, 20, 50, 100, 200) if n <= 0.3 * width), default=1)
    x, y = left + 0.05 * width, bottom - 0.04 * height
    for colour, linewidth in (("black", 3.5), ("white", 2)):
        axes.plot([x, x + length], [y, y], color=colour, linewidth=linewidth, solid_capstyle="butt")
    style: dict[str, Any] = {
        "color": "white",
        "fontsize": 7.5,
        "ha": "left",
        "va": "bottom",
        "path_effects": DARK_EDGE,
    }
    axes.text(x, y - 0.015 * height, f"{length} mm", **style)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _label_row(figure: Figure, case: CasePicture, centre: tuple[float, float], height: float) -> None:
    room = int(height * 12)
    name = case.name if len(case.name) <= room else f"{case.name[: room - 9]}...{case.name[-6:]}"
    x, y = centre
    step = 0.11 / figure.get_figwidth()
    if case.caption:
        figure.text(x - step, y, case.caption, rotation=90, ha="center", va="center", fontsize=11, weight="bold")
    figure.text(x + step, y, name, rotation=90, ha="center", va="center", fontsize=8.5, color="0.35")


def _draw_colour_bar(figure: Figure, box: tuple[float, float, float, float]) -> None:
    axes = figure.add_axes(box)
    ramp = np.linspace(0, 1, 256)[:, None]
    axes.imshow(ramp, cmap="magma", norm=Normalize(0, 1), aspect="auto", origin="lower", extent=(0, 1, 0, 1))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([0, 0.5, 1], ["0 outside", "0.5 surface", "1 deepest"], fontsize=8)


def _legend_entries(cases: Sequence[CasePicture], class_names: Sequence[str]) -> list[Patch | Line2D]:
    """One entry for every class seen in a picture, named by its id where `class_names` is too short."""
    seen = sorted({int(c) for case in cases for label in (case.truth, case.prediction) for c in np.unique(label)})
    entries: list[Patch | Line2D] = []
    for class_id in (c for c in seen if c > 0):
        name = class_names[class_id - 1] if class_id <= len(class_names) else f"class {class_id}"
        colour = class_colour(class_id)
        entries.append(Patch(facecolor=(*to_rgb(colour), 0.3), edgecolor=colour, linewidth=1.6, label=name))
    outline = Line2D([], [], color="white", linewidth=1.2, label="outline of the truth", path_effects=DARK_EDGE)
    return [*entries, outline]
