"""Networks."""

from .distance_dynunet import DistanceDynUNet
from .native_scale_dynunet import NativeScaleDynUNet, check_patch_size

__all__ = ["DistanceDynUNet", "NativeScaleDynUNet", "check_patch_size"]
