"""Transforms."""

from .annotated_classes import AnnotatedClassesd
from .check_input import CheckInputd
from .confirmed_components import DropUnconfirmed, DropUnconfirmedd
from .copy_to_meta import CopyToMetad
from .label_bytes import LabelBytesd
from .largest_components import KeepLargestComponentsd
from .normalise_intensity import NormaliseIntensityd
from .path_safe_spacing import PathSafeSpacingd
from .rand_low_resolution import RandLowResolutiond
from .rand_warped_patch import RandWarpedPatchd
from .surface_distance_field import SurfaceDistanceField, SurfaceDistanceFieldd
