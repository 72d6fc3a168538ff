"""Inferers."""

from .direct import DirectInferer
from .streaming_sliding_window import StreamingSlidingWindowInferer
from .typed_mask import TypedMaskInferer
