"""What a picture shows."""

import matplotlib.colors
import matplotlib.image
import numpy as np


def count_colour(picture, colour, tolerance=0.02):
    """Pixels of a colour."""
    wanted = np.array(matplotlib.colors.to_rgb(colour))
    return int((np.abs(picture[..., :3] - wanted).max(axis=-1) < tolerance).sum())


def has_colour(picture, colour):
    return count_colour(picture, colour) > 0
