"""A contact sheet: one slice of each of many cases with the outlines of its label and a caption."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..errors import InputError
from ..fingerprint.label_statistics import read_label_map
from ..ignore_index import IGNORE_INDEX
from ..io.atomic_write import replacing
from ..io.volume import read_volume
from .case_picture import (
    DARK_EDGE,
    DOTS_PER_INCH,
    CasePicture,
    class_colour,
    draw_outline,
    slice_case,
)

_PAGE, _TEXT, _SOFT, _WARNING = "#15181D", "#F2F2F2", "#AEB4BD", "#F0B35A"
_IGNORED = "0.72"
_TILE, _GAP, _MARGIN = 2.2, 0.14, 0.22  # inches
_NAME_LINE, _LINE = 0.19, 0.145
_LETTERS = 43  # of a caption in the width of a tile
_MOST_LINES = 5
_FLATTEST, _TALLEST = 0.6, 1.25  # height of a picture for a width of 1


@dataclass(frozen=True)
class SheetCase:
    """What one picture shows: files of one grid, lines below the picture and the class to look at.

    The slice is the axial one through the middle of class `focus` where that is named and present, else through the
    middle of all foreground, else the middle of the volume.
    """

    name: str
    image_file: str
    label_file: str
    caption: Sequence[str] = ()
    focus: str = ""


def draw_contact_sheet(
    cases: Sequence[SheetCase],
    file: str | Path,
    class_names: Sequence[str],
    most: int = 24,
    columns: int = 6,
    window: tuple[float, float] | None = (-160, 240),
    title: str = "Pseudo-labels to look at",
    ignore_index: int = IGNORE_INDEX,
) -> int:
    """Write a PNG with the first `most` of `cases`; no case, no file: one of an earlier sheet is removed.

    One case is loaded at a time and only its slice kept. A file that cannot be read, or a label of another shape than
    its image, is named in the place of its picture. Ignored voxels are hatched in grey.

    Args:
        cases: the one to look at first first.
        file: the PNG.
        class_names: of ids 1, 2, ...
        most: cases shown.
        columns: pictures side by side.
        window: intensities shown black and white, by default for soft tissue in Hounsfield units; None takes the
            1st and 99.5th percentile of each slice, as for MRI.
        title: heading, to which the number of cases is added.
        ignore_index: label of doubtful voxels.

    Returns:
        The number of cases in the sheet, those without a picture included.
    """
    shown = cases[:most]
    if not shown:
        Path(file).unlink(missing_ok=True)
        return 0
    pictures = [_picture_or_problem(case, class_names, window, ignore_index) for case in shown]
    captions = [_caption_lines(case.caption) for case in shown]
    ratio = _height_for_width([picture for picture in pictures if isinstance(picture, CasePicture)])
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    legend = _legend([p.truth for p in pictures if isinstance(p, CasePicture)], class_names, ignore_index)
    width = max(2 * _MARGIN + columns * (_TILE + _GAP) - _GAP, 4.6)
    legend_columns = max(1, int(width / 1.45))
    heading = _heading(title, len(shown), len(cases), window, int(width * 13.5))
    top = _MARGIN + 0.36 + 0.17 * len(heading[1:])
    bottom = 0.16 + 0.21 * -(-len(legend) // legend_columns)
    row_height = _TILE * ratio + _NAME_LINE + _LINE * max(len(lines) for lines in captions) + 1.3 * _GAP
    height = top + rows * row_height + bottom
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=_PAGE)
    FigureCanvasAgg(figure)
    figure.text(_MARGIN / width, 1 - _MARGIN / height, heading[0], color=_TEXT, fontsize=13, weight="bold", va="top")
    for number, line in enumerate(heading[1:]):
        y = 1 - (_MARGIN + 0.29 + 0.17 * number) / height
        figure.text(_MARGIN / width, y, line, color=_SOFT, fontsize=8, va="top")
    for number, (case, picture, lines) in enumerate(zip(shown, pictures, captions, strict=True)):
        x = _MARGIN + number % columns * (_TILE + _GAP)
        y = height - top - number // columns * row_height
        box = (x / width, (y - _TILE * ratio) / height, _TILE / width, _TILE * ratio / height)
        axes = figure.add_axes(box, facecolor="black")
        _draw_tile(axes, picture, ignore_index)
        _write_caption(figure, case.name, lines, (x, y - _TILE * ratio - 0.05), (width, height))
    if legend:
        style = {"labelcolor": _TEXT, "frameon": False, "fontsize": 8, "handlelength": 1.5, "columnspacing": 1.4}
        figure.legend(handles=legend, loc="lower center", ncols=min(legend_columns, len(legend)), **style)
    with replacing(file) as temporary:
        figure.savefig(temporary, format="png")
    return len(shown)


def middle_slice(label: np.ndarray, focus: int | None = None, ignore_index: int = IGNORE_INDEX) -> int:
    """Index of the slice across the last axis to show: the middle one of those that hold `focus`.

    Without it the middle one of those with any class, then with ignored voxels, then of the volume.
    """
    wanted = [] if focus is None else [label == focus]
    for mask in (*wanted, (label > 0) & (label != ignore_index), label > 0):
        present = np.flatnonzero(mask.any(axis=(0, 1)))
        if len(present):
            return int(present[(len(present) - 1) // 2])
    return label.shape[2] // 2


def _picture_or_problem(
    case: SheetCase, class_names: Sequence[str], window: tuple[float, float] | None, ignore_index: int
) -> CasePicture | str:
    focus = list(class_names).index(case.focus) + 1 if case.focus in class_names else None
    try:
        return _load_slice(case, focus, window, ignore_index)
    except InputError as error:
        message = str(error)
        for path in (case.image_file, case.label_file):
            message = message.replace(str(path), Path(path).name)
        return message


def _load_slice(
    case: SheetCase, focus: int | None, window: tuple[float, float] | None, ignore_index: int
) -> CasePicture:
    """The label is read first and let go before the image: a volume at a time."""
    labels, _ = _as_ras(*read_label_map(case.label_file))
    index = middle_slice(labels, focus, ignore_index)
    shape, label = labels.shape, labels[..., index : index + 1].copy()
    del labels
    volume = read_volume(case.image_file)
    stored, spacing = _as_ras(volume.voxels, volume.affine)
    if stored.shape != shape:
        raise InputError(f"{case.label_file}: shape {shape} differs from {stored.shape} of {case.image_file}")
    image = stored[..., index : index + 1].astype(np.float32) * volume.slope + volume.intercept
    picture = slice_case(case.name, image, label, label, spacing, axis=2)
    if window is None:
        return picture
    page = np.nan_to_num(image[..., 0].T[::-1, ::-1])  # turned as `slice_case` turns it
    low, high = window
    return replace(picture, image=np.round(np.clip((page - low) / (high - low), 0, 1) * 255).astype(np.uint8))


def _as_ras(voxels: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, tuple[float, float, float]]:
    """A view with the axes right, anterior, superior, as near as the grid has them, and its spacing (mm)."""
    orientation = nib.orientations.io_orientation(affine)
    turned = nib.orientations.apply_orientation(voxels, orientation)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[np.argsort(orientation[:, 0])]
    return turned, (float(spacing[0]), float(spacing[1]), float(spacing[2]))


def _height_for_width(pictures: Sequence[CasePicture]) -> float:
    """The proportions of the tiles: those of the median slice after its dark border is cut away."""
    if not pictures:
        return 0.75
    views = [_view(picture) for picture in pictures]
    ratios = [(bottom - top) / (right - left) for top, bottom, left, right in views]
    return float(np.clip(np.median(ratios), _FLATTEST, _TALLEST))


def _view(picture: CasePicture, margin_mm: float = 4) -> tuple[float, float, float, float]:
    """Top, bottom, left and right (mm) of the body: rows and columns with light pixels or with a label."""
    light = picture.image > 25
    edges: list[float] = []
    for axis, size in enumerate(picture.pixel_mm):
        used = (light.mean(axis=1 - axis) > 0.02) | (picture.truth > 0).any(axis=1 - axis)
        places = np.flatnonzero(used) if used.any() else np.array([0, len(used) - 1])
        edges += [
            max(0.0, places[0] * size - margin_mm),
            min(len(used) * size, (places[-1] + 1) * size + margin_mm),
        ]
    return edges[0], edges[1], edges[2], edges[3]


def _draw_tile(axes: Axes, picture: CasePicture | str, ignore_index: int) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if isinstance(picture, str):
        axes.set_facecolor("#2A2E36")
        text = "\n".join(textwrap.wrap(f"cannot be shown: {picture}", _LETTERS - 10, max_lines=9, placeholder=" ..."))
        axes.text(0.5, 0.5, text, transform=axes.transAxes, color=_WARNING, fontsize=7, ha="center", va="center")
        return
    rows, columns = picture.truth.shape
    page = (0, columns * picture.pixel_mm[1], rows * picture.pixel_mm[0], 0)
    axes.imshow(picture.image, cmap="gray", vmin=0, vmax=255, extent=page, interpolation="bilinear")
    axes.imshow(_tint(picture, ignore_index), extent=page, interpolation="nearest")
    for class_id in _classes([picture.truth], ignore_index):
        mask = picture.truth == class_id
        draw_outline(axes, mask, picture.pixel_mm, "black", 1.7)
        draw_outline(axes, mask, picture.pixel_mm, class_colour(class_id), 1.0)
    _fit_view(axes, picture)
    for letter, x in ((picture.sides[0], 0.02), (picture.sides[1], 0.98)):
        style: dict[str, Any] = {"ha": "left" if x < 0.5 else "right", "va": "center", "fontsize": 6.5}
        axes.text(x, 0.94, letter, transform=axes.transAxes, color="white", path_effects=DARK_EDGE, **style)


def _fit_view(axes: Axes, picture: CasePicture) -> None:
    """Show the body as large as the tile allows, in its proportions, on the tile's black."""
    top, bottom, left, right = _view(picture)
    box = axes.get_position()
    figure_width, figure_height = axes.get_figure().get_size_inches()  # type: ignore[union-attr]
    ratio = box.height * figure_height / (box.width * figure_width)
    width = max(right - left, (bottom - top) / ratio)
    centre_x, centre_y = (left + right) / 2, (top + bottom) / 2
    axes.set_aspect("auto")
    axes.set_xlim(centre_x - width / 2, centre_x + width / 2)
    axes.set_ylim(centre_y + width * ratio / 2, centre_y - width * ratio / 2)


def _tint(picture: CasePicture, ignore_index: int) -> np.ndarray:
    """RGBA (rows, columns, 4): a breath of each class's colour, and grey stripes where the label is ignored."""
    label = picture.truth
    tint = np.zeros((*label.shape, 4), dtype=np.float32)
    for class_id in _classes([label], ignore_index):
        tint[label == class_id] = (*to_rgb(class_colour(class_id)), 0.22)
    rows, columns = np.indices(label.shape)
    stripe_mm = 0.016 * max(label.shape[0] * picture.pixel_mm[0], label.shape[1] * picture.pixel_mm[1])
    along = rows * picture.pixel_mm[0] + columns * picture.pixel_mm[1]
    width = max(stripe_mm, *picture.pixel_mm)
    ignored = label == ignore_index
    tint[ignored] = (*to_rgb(_IGNORED), 0.15)
    tint[ignored & (along % (2 * width) < width)] = (*to_rgb(_IGNORED), 0.85)
    return tint


def _write_caption(
    figure: Figure, name: str, lines: Sequence[str], place: tuple[float, float], size: tuple[float, float]
) -> None:
    x, y = place
    shown = name if len(name) <= _LETTERS - 14 else f"{name[: _LETTERS - 24]}...{name[-7:]}"
    figure.text(x / size[0], y / size[1], shown, color=_TEXT, fontsize=8, weight="bold", va="top")
    for number, line in enumerate(lines):
        below = y - _NAME_LINE - number * _LINE
        figure.text(x / size[0], below / size[1], line, color=_SOFT, fontsize=6.8, va="top")


def _caption_lines(caption: Sequence[str]) -> list[str]:
    """The caption in lines that fit below a tile; what does not is counted."""
    wrapped = [
        textwrap.wrap(line, _LETTERS, subsequent_indent="   ", max_lines=2, placeholder=" ...") for line in caption
    ]
    lines: list[str] = []
    for number, parts in enumerate(wrapped):
        is_last = number == len(wrapped) - 1
        if len(lines) + len(parts) > _MOST_LINES - (not is_last):
            return [*lines, f"and {len(wrapped) - number} more"]
        lines += parts
    return lines


def _heading(title: str, shown: int, cases: int, window: tuple[float, float] | None, letters: int) -> list[str]:
    """The title and the lines below it."""
    count = f"{cases} case{'' if cases == 1 else 's'}" if shown == cases else f"the first {shown} of {cases} cases"
    grey = "grey levels by percentiles" if window is None else f"window {window[0]:g} to {window[1]:g}"
    how = (
        "axial slice through the middle of the class in question, else of all classes; radiological convention: "
        f"the patient's right is on the left; {grey}"
    )
    return [f"{title}: {count}", *textwrap.wrap(how, letters)]


def _classes(labels: Iterable[np.ndarray], ignore_index: int) -> list[int]:
    return sorted({int(c) for label in labels for c in np.unique(label)} - {0, ignore_index})


def _legend(labels: Sequence[np.ndarray], class_names: Sequence[str], ignore_index: int) -> list[Patch]:
    """One entry for every class seen, named by its id where `class_names` is too short, and one for what is ignored."""
    entries = []
    for class_id in _classes(labels, ignore_index):
        name = class_names[class_id - 1] if class_id <= len(class_names) else f"class {class_id}"
        colour = class_colour(class_id)
        entries.append(
            Patch(facecolor=(*to_rgb(colour), 0.35), edgecolor=colour, linewidth=1.2, label=name.replace("_", " "))
        )
    if any((label == ignore_index).any() for label in labels):
        entries.append(Patch(facecolor="none", edgecolor=_IGNORED, hatch="//////", linewidth=0, label="ignored"))
    return entries
