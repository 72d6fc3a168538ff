"""What the files of a data set really hold: integrity, labels, intensities."""

from .foreground_intensity import FLARE22_INTENSITY, foreground_intensity, read_intensity

__all__ = ["FLARE22_INTENSITY", "foreground_intensity", "read_intensity"]
