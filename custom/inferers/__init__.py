"""Inferers."""

from .direct import DirectInferer
from .even_window import EvenWindowInferer

__all__ = ["DirectInferer", "EvenWindowInferer"]
