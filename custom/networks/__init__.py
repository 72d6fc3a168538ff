"""Networks."""

from .distance_dynunet import DistanceDynUNet
from .native_scale_dynunet import NativeScaleDynUNet

__all__ = ["DistanceDynUNet", "NativeScaleDynUNet"]
