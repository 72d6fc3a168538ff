"""What MONAI's metadata schema of 2024-07-25 demands, as a JSON schema.

MONAI's own file, which the metadata name by its address, comes without a licence; so its rules are stated here anew.
"""

from __future__ import annotations

from typing import Any

TEXTS = (
    *("schema", "version", "monai_version", "pytorch_version", "numpy_version", "task", "description", "authors"),
    *("copyright", "data_source", "data_type", "image_classes", "label_classes", "pred_classes", "intended_use"),
)
OBJECTS = ("changelog", "required_packages_version", "eval_metrics", "supported_apps")
REQUIRED = (
    *("schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version", "task"),
    *("description", "authors", "copyright", "network_data_format"),
)
TENSOR: dict[str, Any] = {
    "type": {"type": "string"},
    "format": {"type": "string"},
    "num_channels": {"type": "integer"},
    "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
    "dtype": {"type": "string"},
    "value_range": {"type": "array", "items": {"type": "number"}},
    "is_patch_data": {"type": "boolean"},
    "channel_def": {"type": "object"},
}
OPTIONAL_OF_TENSOR = ("is_patch_data", "channel_def")
NETWORK_FORMATS = "^[_a-zA-Z0-9]+_data_format$"


def metadata_schema() -> dict[str, Any]:
    """The rules for configs/metadata.json, for `jsonschema` and for MONAI's `verify_metadata`."""
    tensor = {
        "type": "object",
        "properties": TENSOR,
        "required": [key for key in TENSOR if key not in OPTIONAL_OF_TENSOR],
    }
    argument = {"anyOf": [{"type": kind} for kind in ("number", "integer", "string", "boolean")] + [tensor]}
    arguments = {"type": "object", "patternProperties": {"^.+$": argument}}
    network = {
        "type": "object",
        "properties": dict.fromkeys(("inputs", "outputs", "post_processed_outputs"), arguments),
        "required": ["inputs", "outputs"],
    }
    properties: dict[str, Any] = {key: {"type": "string"} for key in TEXTS}
    properties |= {key: {"type": "object"} for key in OBJECTS}
    properties["references"] = {"type": "array", "items": {"type": "string"}}
    properties["network_data_format"] = network
    return {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "type": "object",
        "properties": properties,
        "patternProperties": {NETWORK_FORMATS: network},
        "required": list(REQUIRED),
    }
