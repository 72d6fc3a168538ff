"""What a network is for."""

from .class_ids import class_ids

__all__ = ["class_ids"]
