"""`is_on` under the name by which the bundles' configs import it."""

from .options import is_on

__all__ = ["is_on"]
