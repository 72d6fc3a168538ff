"""Generated scans (no patients), on which everything can be tried: spine MRI and abdominal CT."""

from .abdomen import make_abdomen_phantom, write_abdomen_phantoms
from .spine import make_spine_phantom, write_spine_phantoms
