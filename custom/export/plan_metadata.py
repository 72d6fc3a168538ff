"""What metadata.json says of a network, by its plan."""

import json
from collections.abc import Mapping
from typing import Any

from .channel_names import channel_names


def plan_metadata(
    metadata: Mapping[str, Any], plan: Mapping[str, Any], name: str, modality: str = ""
) -> dict[str, Any]:
    """A bundle's metadata with what a plan says: classes, channels and patch, under another name; no scores."""
    changed: dict[str, Any] = json.loads(json.dumps(metadata))
    image = changed["network_data_format"]["inputs"]["image"]
    prediction = changed["network_data_format"]["outputs"]["pred"]
    channels = len(plan["channels"])
    classes = channel_names(plan["classes"])
    image["modality"] = modality or image["modality"]
    if list(prediction["channel_def"].values()) != classes:  # another data set
        changed["task"] = f"Segmentation of {', '.join(classes[1:])}"
        changed["image_classes"] = f"channels: {channels}, modality: {image['modality']}"
        changed["label_classes"] = ", ".join(f"{number} {label}" for number, label in enumerate(classes))
        changed["pred_classes"] = f"{len(classes)} channels, logits of {', '.join(classes)}"
    if image["num_channels"] != channels:
        image |= {"num_channels": channels, "channel_def": {str(key): f"image {key}" for key in range(channels)}}
    prediction |= {"num_channels": len(classes), "channel_def": {str(key): label for key, label in enumerate(classes)}}
    image["spatial_shape"] = prediction["spatial_shape"] = plan["patch_size"]
    return changed | {"name": name, "eval_metrics": {}}
