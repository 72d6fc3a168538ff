"""Inferers."""

from .direct import DirectInferer
from .retype_lesions import RetypeLesionsd, require_types
from .streaming_sliding_window import StreamingSlidingWindowInferer
from .temperature import TEMPERATURES, read_temperature
from .typed_mask import TypedMaskInferer
