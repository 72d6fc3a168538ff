"""What all pictures have in common: one colour for each class, outlines of label maps, legends, files."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import AbstractPathEffect, withStroke

from ..io.atomic_write import replacing

# Okabe and Ito's colours, distinct to colour-blind readers, in the order of their contrast on a grey scan; from
# the eighth class on, Tol's muted colours, as distinct as so many can be.
CLASS_COLOURS = (
    *("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#F0E442", "#0072B2"),
    *("#44AA99", "#AA4499", "#DDCC77", "#882255", "#6699CC", "#999933", "#BBBBBB"),
)
DOTS_PER_INCH = 150
matplotlib.rcParams["text.parse_math"] = False  # names of scans and commands may hold dollar signs
INK = "0.15"
# keeps white letters and lines visible on bright tissue
DARK_EDGE: list[AbstractPathEffect] = [withStroke(linewidth=2, foreground="black", alpha=0.75)]


def class_colour(class_id: int) -> str:
    """The colour of a class (ids from 1), the same in every picture of this project."""
    return CLASS_COLOURS[(class_id - 1) % len(CLASS_COLOURS)]


def class_name(class_id: int, class_names: Sequence[str]) -> str:
    """The name of a class (ids from 1), "class 7" where there are fewer names."""
    return class_names[class_id - 1] if class_id <= len(class_names) else f"class {class_id}"


def shortened(name: str, letters: int) -> str:
    """A name of at most so many letters, with its end, which distinguishes cases; bytes that are no text become one."""
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return text if len(text) <= letters else f"{text[: letters - 9]}...{text[-6:]}"


def new_figure(width: float, height: float, layout: Any = "constrained", facecolor: str = "white") -> Figure:
    """An empty picture, in inches; no window system is touched."""
    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout=layout, facecolor=facecolor)


def save_picture(figure: Figure, file: str | Path) -> None:
    """Write a PNG, atomically."""
    with replacing(file) as temporary:
        figure.savefig(temporary, format="png")


def bare(axes: Axes) -> None:
    """Take ticks and frame away, for pictures within the picture."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def page_extent(shape: Sequence[int], pixel_mm: tuple[float, float]) -> tuple[float, float, float, float]:
    """`imshow`'s extent in mm, row 0 at the top, of an array of this shape (rows, columns)."""
    return (0, shape[1] * pixel_mm[1], shape[0] * pixel_mm[0], 0)


def draw_classes(
    axes: Axes, label: np.ndarray, pixel_mm: tuple[float, float], ids: Iterable[int], alpha: float, linewidth: float
) -> None:
    """Each class of a label (rows, columns) in a tint of its colour and with its outline."""
    tint = np.zeros((*label.shape, 4), dtype=np.float32)
    for class_id in ids:
        tint[label == class_id] = (*to_rgb(class_colour(class_id)), alpha)
        draw_outline(axes, label == class_id, pixel_mm, class_colour(class_id), linewidth)
    axes.imshow(tint, extent=page_extent(label.shape, pixel_mm), interpolation="nearest")


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


def class_patches(ids: Iterable[int], class_names: Sequence[str]) -> list[Patch]:
    """Entries of a legend, one for each class."""
    return [
        Patch(
            facecolor=(*to_rgb(class_colour(class_id)), 0.3),
            edgecolor=class_colour(class_id),
            linewidth=1.5,
            label=class_name(class_id, class_names).replace("_", " "),
        )
        for class_id in ids
    ]
