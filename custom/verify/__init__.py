"""Checks of a bundle before it is released: what MONAI's model zoo checks, and more."""

from .verifying import verify

__all__ = ["verify"]
