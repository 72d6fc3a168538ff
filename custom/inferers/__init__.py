"""Inferers."""

from .direct import DirectInferer
from .even_window import EvenWindowInferer
from .streamed_window import StreamedWindowInferer

__all__ = ["DirectInferer", "EvenWindowInferer", "StreamedWindowInferer"]
