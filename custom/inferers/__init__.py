"""Inferers."""

from .direct import DirectInferer
from .sliding_window import EvenWindowInferer
from .streaming_sliding_window import StreamedWindowInferer

__all__ = ["DirectInferer", "EvenWindowInferer", "StreamedWindowInferer"]
