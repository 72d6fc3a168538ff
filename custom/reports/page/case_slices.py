"""Slices of a case as small pictures: for paper, for the list of cases, and for a viewer without WebGL."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from ..case_picture import page, slice_with_most_foreground, slicing_axis
from ..drawing import class_colour
from .case_volumes import CaseVolumes

TILE, SLICE = 200, 384  # pixels of the longer side: in the list of cases, in the viewer
MOST_SLICES = 40  # evenly spread
OPACITY = 0.55


def tiles(volumes: CaseVolumes) -> list[tuple[str, str]]:
    """Name and picture of the scan and of each label map on it, in the slice that shows most of the truth."""
    axis = slicing_axis(volumes.spacing)
    maps = list(volumes.labels.values())
    index = slice_with_most_foreground(maps[0], np.max(maps, axis=0), axis)
    grey = page(volumes.image, axis, index)
    size = page_size(grey.shape, axis, volumes.spacing, TILE)
    found = [("scan", jpeg(grey_picture(grey, size)))]
    for name, label in volumes.labels.items():
        picture = grey_picture(grey, size).convert("RGBA")
        tint = overlay(page(label, axis, index), size).convert("RGBA")
        tint.putalpha(tint.getchannel("A").point(lambda alpha: round(alpha * OPACITY)))
        picture.alpha_composite(tint)
        found.append((name, jpeg(picture.convert("RGB"))))
    return found


def slices(volumes: CaseVolumes) -> dict[str, list[str]]:
    """Name -> its pictures, slice by slice: the scan under "", label maps as transparent overlays of the same size."""
    axis = slicing_axis(volumes.spacing)
    count = volumes.image.shape[axis]
    places = np.unique(np.linspace(0, count - 1, min(count, MOST_SLICES)).round().astype(int)).tolist()
    first = page(volumes.image, axis, 0)
    size = page_size(first.shape, axis, volumes.spacing, SLICE)
    found = {"": [jpeg(grey_picture(page(volumes.image, axis, place), size)) for place in places]}
    for name, label in volumes.labels.items():
        found[name] = [png(overlay(page(label, axis, place), size)) for place in places]
    return found


def page_size(shape: Sequence[int], axis: int, spacing: tuple[float, float, float], longest: int) -> tuple[int, int]:
    """Width and height in pixels of a slice (rows, columns) with square pixels."""
    across, up = (spacing[other] for other in range(3) if other != axis)
    width, height = shape[1] * across, shape[0] * up
    scale = longest / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def grey_picture(grey: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A slice of the scan."""
    return Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR)


def overlay(label: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A slice of a label map in the classes' colours, without background."""
    picture = Image.fromarray(label, mode="P")
    colours = [(0, 0, 0), *(tuple(round(255 * part) for part in to_rgb(class_colour(one))) for one in range(1, 256))]
    picture.putpalette([part for colour in colours for part in colour])
    picture.info["transparency"] = 0
    return picture.resize(size, Image.Resampling.NEAREST)


def jpeg(picture: Image.Image) -> str:
    """A picture as a data address."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=82, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def png(picture: Image.Image) -> str:
    """A picture of few colours as a data address."""
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True, transparency=0)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
