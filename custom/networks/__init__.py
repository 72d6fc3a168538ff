"""Networks."""

from .build import build_network
from .comparable import patch_in_multiples, same_levels
from .contract import (
    check_patch_size,
    feature_channels,
    segmentation_head,
    shared_parameters,
    size_multiple,
    supervision_scales,
)
from .distance_head import (
    DistanceHead,
    LogitsAndField,
    field_response,
    require_distance_field,
    unlearnt_classes,
)
from .native_scale_dynunet import NativeScaleDynUNet
from .type_classifier import build_classifier, classifier_architecture
