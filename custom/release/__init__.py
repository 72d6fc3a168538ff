"""What turns a bundle's folder into something others can have: archives, model cards, checks."""

from .releasing import release
from .trained_bundle import trained_bundle
from .verifying import verify

__all__ = ["release", "trained_bundle", "verify"]
