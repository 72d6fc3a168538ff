"""Generated scans (no patients), on which everything can be tried: spine MRI and abdominal CT."""

from .abdomen import write_abdomen_phantoms
from .spine import write_spine_phantoms

__all__ = ["write_abdomen_phantoms", "write_spine_phantoms"]
