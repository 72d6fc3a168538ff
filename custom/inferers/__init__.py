"""Inferers."""

from .even_window import EvenWindowInferer

__all__ = ["EvenWindowInferer"]
