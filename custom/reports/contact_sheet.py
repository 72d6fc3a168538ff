"""A contact sheet: one slice of each of many cases with the outlines of its label and a caption."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from ..errors import InputError
from ..fingerprint.label_statistics import read_label_map
from ..geometry.canonical_axes import to_ras
from ..ignore_index import IGNORE_INDEX
from ..io.volume import read_volume
from .case_picture import CasePicture, mark_sides, slice_case
from .drawing import bare, class_patches, draw_classes, new_figure, page_extent, save_picture, shortened

_PAGE, _TEXT, _WARNING, _IGNORED = "#15181D", "#F2F2F2", "#F0B35A", "0.72"
_TILE, _CAPTION, _MARGIN = 2.2, 1.0, 0.9  # inches: a picture, the lines below it, title and legend
_LETTERS, _MOST_LINES = 43, 5  # of a caption
_COLUMNS = 6
_AROUND_MM = 4  # the body


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
    window: tuple[float, float] | None = (-160, 240),
) -> int:
    """Write a PNG with the first `most` of `cases`, whose number is returned; without any an earlier sheet is removed.

    One case is loaded at a time and only its slice kept. A file that cannot be read, or a label of another shape than
    its image, is named in the place of its picture. Ignored voxels are grey.

    Args:
        cases: the most important first.
        class_names: of ids 1, 2, ...
        window: intensities shown black and white, by default for soft tissue in Hounsfield units; None takes the
            1st and 99.5th percentile of each slice, as for MRI.
    """
    shown = cases[:most]
    if not shown:
        Path(file).unlink(missing_ok=True)
        return 0
    columns = max(2, min(_COLUMNS, len(shown)))
    rows = -(-len(shown) // columns)
    figure = new_figure(columns * _TILE, rows * (_TILE + _CAPTION) + _MARGIN, facecolor=_PAGE)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid:
        bare(axes)
        axes.set(facecolor=_PAGE, aspect="equal")
    seen = {one for axes, case in zip(grid, shown, strict=False) for one in _draw_case(axes, case, class_names, window)}
    number = f"the first {len(shown)} of {len(cases)} cases" if len(shown) < len(cases) else f"cases: {len(cases)}"
    grey = "grey levels by percentiles" if window is None else f"window {window[0]:g} to {window[1]:g}"
    how = "axial slice through the middle of the class in question, else of all classes; radiological convention: "
    wrapped = textwrap.fill(f"{how}the patient's right is on the left; {grey}", int(columns * _TILE * 13))
    figure.suptitle(f"Pseudo-labels to look at, {number}\n{wrapped}", color=_TEXT, fontsize=8.5)
    legend = class_patches(sorted(seen - {0, IGNORE_INDEX}), class_names)
    if IGNORE_INDEX in seen:
        legend.append(Patch(facecolor=_IGNORED, label="ignored"))
    if legend:
        style: dict[str, Any] = {"labelcolor": _TEXT, "frameon": False, "fontsize": 8, "ncols": 2 * columns}
        figure.legend(handles=legend, loc="outside lower center", **style)
    save_picture(figure, file)
    return len(shown)


def _draw_case(axes: Axes, case: SheetCase, class_names: Sequence[str], window: tuple[float, float] | None) -> set[int]:
    """Draw a case, or why it cannot be shown; returns the ids in its slice."""
    axes.set_title(shortened(case.name, _LETTERS - 14), color=_TEXT, fontsize=8, weight="bold", loc="left", pad=3)
    lines = (caption_lines(case.caption) + [""] * _MOST_LINES)[:_MOST_LINES]  # rows of one height
    axes.set_xlabel("\n".join(lines), color=_TEXT, fontsize=6.8, loc="left")
    try:
        picture = load_slice(case, class_names, window)
    except InputError as error:
        message = str(error)
        for path in (case.image_file, case.label_file):
            message = message.replace(str(path), Path(path).name)
        text = textwrap.fill(f"cannot be shown: {message}", _LETTERS - 10, max_lines=9, placeholder=" ...")
        axes.text(0.5, 0.5, text, color=_WARNING, fontsize=7, ha="center", va="center", transform=axes.transAxes)
        return set()
    _draw_tile(axes, picture)
    return set(map(int, np.unique(picture.truth)))


def middle_slice(label: np.ndarray, focus: int | None = None) -> int:
    """Index of the slice across the last axis to show: the middle one of those that hold `focus`.

    Without it the middle one of those with any class, then with ignored voxels, then of the volume.
    """
    wanted = [] if focus is None else [label == focus]
    for mask in (*wanted, (label > 0) & (label != IGNORE_INDEX), label > 0):
        present = np.flatnonzero(mask.any(axis=(0, 1)))
        if len(present):
            return int(present[(len(present) - 1) // 2])
    return label.shape[2] // 2


def load_slice(
    case: SheetCase, class_names: Sequence[str] = (), window: tuple[float, float] | None = None
) -> CasePicture:
    """The slice to show; the label is read first and let go before the image: a volume at a time.

    Raises InputError: a file cannot be read, or the shapes differ.
    """
    focus = list(class_names).index(case.focus) + 1 if case.focus in class_names else None
    labels, _ = to_ras(*read_label_map(case.label_file))
    index = middle_slice(labels, focus)
    shape, label = labels.shape, labels[..., index : index + 1].copy()
    del labels
    volume = read_volume(case.image_file)
    stored, spacing = to_ras(volume.voxels, volume.affine)
    if stored.shape != shape:
        raise InputError(f"{case.label_file}: shape {shape} differs from {stored.shape} of {case.image_file}")
    image = stored[..., index : index + 1].astype(np.float32) * volume.slope + volume.intercept
    return slice_case(case.name, image, label, label, spacing, axis=2, window=window)


def caption_lines(caption: Sequence[str]) -> list[str]:
    """The caption in lines that fit below a tile; what does not is counted."""
    lines: list[str] = []
    for number, line in enumerate(caption):
        parts = textwrap.wrap(line, _LETTERS, subsequent_indent="   ", max_lines=2, placeholder=" ...")
        if len(lines) + len(parts) > _MOST_LINES - (number < len(caption) - 1):
            return [*lines, f"and {len(caption) - number} more"]
        lines += parts
    return lines


def _draw_tile(axes: Axes, picture: CasePicture) -> None:
    page = page_extent(picture.truth.shape, picture.pixel_mm)
    axes.imshow(picture.image, cmap="gray", vmin=0, vmax=255, extent=page, interpolation="bilinear")
    tint = np.zeros((*picture.truth.shape, 4), dtype=np.float32)
    tint[picture.truth == IGNORE_INDEX] = (*to_rgb(_IGNORED), 0.5)
    axes.imshow(tint, extent=page, interpolation="nearest")
    ids = sorted(set(map(int, np.unique(picture.truth))) - {0, IGNORE_INDEX})
    draw_classes(axes, picture.truth, picture.pixel_mm, ids, 0.22, 1.0)
    top, bottom, left, right = _body(picture)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    mark_sides(axes, picture.sides[:2])


def _body(picture: CasePicture) -> list[float]:
    """Top, bottom, left and right (mm) of the body: rows and columns with light pixels or with a label."""
    edges: list[float] = []
    for axis, size in enumerate(picture.pixel_mm):
        used = ((picture.image > 25).mean(axis=1 - axis) > 0.02) | (picture.truth > 0).any(axis=1 - axis)
        places = np.flatnonzero(used) if used.any() else np.array([0, len(used) - 1])
        edges += [max(0.0, places[0] * size - _AROUND_MM), min(len(used) * size, (places[-1] + 1) * size + _AROUND_MM)]
    return edges
