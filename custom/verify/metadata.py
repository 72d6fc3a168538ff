"""configs/metadata.json: against MONAI's schema, the changelog and the configs."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from ..io.needed_package import needed_package
from ..release.channel_names import channel_name
from ..release.metadata import released_metadata
from .bundle_folder import BundleFolder
from .metadata_schema import metadata_schema


def check_schema(bundle: BundleFolder) -> None:
    """Every required entry is there and every entry has the type MONAI's schema gives it."""
    validator = needed_package("jsonschema", "jsonschema", "the check of the metadata").Draft201909Validator
    errors = sorted(validator(metadata_schema()).iter_errors(bundle.metadata), key=lambda error: list(error.path))
    if errors:
        where = "/".join(map(str, errors[0].path)) or "top level"
        raise InputError(f"configs/metadata.json, {where}: {errors[0].message[:200]}; correct it as in other bundles")


def check_version(bundle: BundleFolder) -> None:
    """The version is one, and the changelog explains it."""
    released_metadata(bundle.root)


def check_agreement(bundle: BundleFolder) -> None:
    """Metadata and inference.yaml state the same patch, channels and classes."""
    config = bundle.parser("inference")
    formats = bundle.metadata["network_data_format"]
    image, prediction = formats["inputs"]["image"], formats["outputs"]["pred"]
    names = ["background", *map(channel_name, config.get_parsed_content("class_names"))]
    pairs: dict[str, tuple[Any, Any]] = {
        "inputs/image/spatial_shape": (image["spatial_shape"], list(config.get_parsed_content("patch_size"))),
        "inputs/image/num_channels": (image["num_channels"], config.get_parsed_content("num_channels")),
        "outputs/pred/num_channels": (prediction["num_channels"], len(names)),
        "outputs/pred/channel_def": (prediction["channel_def"], {str(key): name for key, name in enumerate(names)}),
    }
    for entry, (stated, configured) in pairs.items():
        if stated != configured:
            raise InputError(
                f"configs/metadata.json: network_data_format/{entry} is {stated}, inference.yaml has {configured}; "
                "correct the wrong one"
            )
