"""nnU-Net v2's plans and description of a data set, plans.json and dataset.json, as a plan, and the other way round."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError
from .plan import ORIENTATION, is_orientation
from .planner import CT, NETWORK, ZSCORE, surface_tolerance
from .topology import residual_blocks

RESENC = "ResidualEncoderUNet"
PLAIN = "PlainConvUNet"  # nnU-Net's name of it
CONFIGURATION = "3d_fullres"
REORIENTED = "NibabelIOWithReorient"
REORIENTING = (REORIENTED, "SimpleITKIOWithReorient")  # nnU-Net's readers that turn scans to RAS; arrays are S, A, R
IN_FILE_ORDER = ("SimpleITKIO", "NibabelIO")  # leave the axes as the files have them, slowest first
PREPARATION = {  # of scans, as it must be to be alike here; a key that older plans lack means the same
    "preprocessor_name": ("DefaultPreprocessor",),
    "resampling_fn_data": ("resample_data_or_seg_to_shape", "resample_torch_fornnunet"),
    "resampling_fn_probabilities": ("resample_data_or_seg_to_shape", "resample_torch_fornnunet"),
}
SCHEMES = {"CTNormalization": CT, "ZScoreNormalization": ZSCORE}
BLOCK: dict[str, Any] = {  # how convolutions, normalisation and activation are here; nnU-Net's arguments
    "conv_op": "torch.nn.modules.conv.Conv3d",
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-05, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
WITHOUT_EFFECT = ("dropout_op_kwargs", "nonlin_kwargs")  # where they are empty
LEVELS = (
    *("n_stages", "features_per_stage", "kernel_sizes", "strides"),
    *("n_conv_per_stage", "n_blocks_per_stage", "n_conv_per_stage_decoder"),
)
PERCENTILES = {"lower": "percentile_00_5", "upper": "percentile_99_5", "mean": "mean", "sd": "std"}
LEAST_SHARE = 0.95  # of a scan that may be left for z-scores to be alike
Json = Mapping[str, Any]


def plan_from_nnunet(
    plans: Json, dataset: Json, configuration: str, orientation: str, mirror_axes: Sequence[int]
) -> dict[str, Any]:
    """The plan of a network that nnU-Net has trained, as plain data.

    Args:
        plans, dataset: content of nnU-Net's plans.json and dataset.json.
        configuration: of those in the plans, such as 3d_fullres.
        orientation: where the axes of the scans' files point, such as LPS; not needed where nnU-Net turned them.
        mirror_axes: that prediction mirrors, as the checkpoint has them.

    Raises InputError: something in it has no counterpart in a plan; a result would differ from nnU-Net's.
    """
    settings = settings_of(plans, configuration)
    channels = channel_names(dataset)
    classes = class_names(dataset)
    normalisation = normalisation_of(settings, len(channels))
    spacing = [float(one) for one in settings["spacing"]]
    return {
        "name": str(plans["dataset_name"]),
        "classes": classes,
        "channels": channels,
        "orientation": axes_of(plans, orientation),
        "spacing": spacing,
        "normalisation": normalisation,
        "intensity": intensity_of(plans) if normalisation == CT else None,
        "patch_size": [int(one) for one in settings["patch_size"]],
        "batch_size": int(settings["batch_size"]),
        "mirror_axes": [int(axis) for axis in mirror_axes],
        "network": network_of(settings),
        "distance_channels": 0,
        "prediction": {"mirrored": True, "windows": "all"},
        "scoring": {"tubular": [], "nsd_tolerance_mm": surface_tolerance(spacing), "groups": {}},
    }


def settings_of(plans: Json, configuration: str) -> dict[str, Any]:
    """A configuration, with what it inherits. Raises InputError: there is none, or it is 2D or a cascade's."""
    known = plans["configurations"]
    if configuration not in known:
        raise InputError(f"plans.json has no configuration {configuration!r}; it has {', '.join(known)}")
    settings = dict(known[configuration])
    while parent := settings.pop("inherits_from", None):
        settings = {**known[parent], **settings}
    if len(settings["patch_size"]) != 3:
        raise InputError(f"configuration {configuration} is two-dimensional: pass a training of {CONFIGURATION}")
    if settings.get("previous_stage"):
        raise InputError(
            f"configuration {configuration} also takes the segmentation of {settings['previous_stage']}, which no "
            f"plan can say: pass a training of {CONFIGURATION}"
        )
    for key, alike in PREPARATION.items():
        if settings.get(key, alike[0]) not in alike:
            raise InputError(
                f"configuration {configuration}: {key} is {settings[key]}; only {alike[0]} can be taken over"
            )
    return settings


def channel_names(dataset: Json) -> list[str]:
    """The names of a scan's channels; of several with one name each has its number after it."""
    named = dataset.get("channel_names") or dataset.get("modality") or {}
    channels = [str(named[key]) for key in sorted(named, key=int)]
    return [f"{one}_{number}" if channels.count(one) > 1 else one for number, one in enumerate(channels)]


def class_names(dataset: Json) -> list[str]:
    """The names of the classes from 1 on, without the label that is ignored. Raises InputError: regions of labels."""
    alone = {name: value[0] for name, value in dataset["labels"].items() if isinstance(value, list) and len(value) == 1}
    labels = {**dataset["labels"], **alone}
    regions = [name for name, value in labels.items() if isinstance(value, list | tuple)]
    if regions:
        raise InputError(
            f"dataset.json: {regions[0]} is a region of several labels, which may overlap others; a network here has "
            "one class for a voxel"
        )
    names = {int(value): name for name, value in labels.items() if name not in ("background", "ignore")}
    if sorted(names) != list(range(1, len(names) + 1)):
        raise InputError(f"dataset.json: the labels are {sorted(names)}; classes are numbered from 1 on without gaps")
    return [names[number] for number in sorted(names)]


def normalisation_of(settings: Json, num_channels: int) -> str:
    """The plan's word for the channels' normalisation. Raises InputError: it has none."""
    schemes = list(settings["normalization_schemes"])
    different = sorted(set(schemes))
    if len(different) > 1 or different[0] not in SCHEMES or (different[0] == "CTNormalization" and num_channels > 1):
        raise InputError(
            f"the channels are normalised by {', '.join(schemes)}: a plan has z-score for all channels, or CT for one"
        )
    if SCHEMES[different[0]] == ZSCORE and any(settings.get("use_mask_for_norm") or []):
        raise InputError(
            "use_mask_for_norm is true: nnU-Net normalised inside the non-zero voxels, a plan's z-score takes the "
            "whole scan, so label maps would differ"
        )
    return SCHEMES[different[0]]


def refuse_cropped(share: Any) -> None:
    """Refuse z-scores where nnU-Net's cropping to non-zero voxels leaves only a share of a scan, None if not known.

    Raises InputError: so little that the values of what it cuts off, which count here, change them.
    """
    if share is not None and float(share) < LEAST_SHARE:
        raise InputError(
            f"nnU-Net takes z-scores of what cropping to non-zero voxels leaves, here {float(share):.0%} of a scan; "
            "a plan's z-score takes the whole scan, so label maps would differ"
        )


def intensity_of(plans: Json) -> dict[str, float]:
    """The foreground's statistics of the first channel."""
    old, new = (f"foreground_intensity_properties_{one}" for one in ("by_modality", "per_channel"))
    found = plans[new if new in plans else old]["0"]
    return {ours: float(found[theirs]) for ours, theirs in PERCENTILES.items()}


def axes_of(plans: Json, orientation: str) -> str:
    """Where the network's axes point, such as SPL. Raises InputError: neither the reader says it nor the user."""
    reader = str(plans["image_reader_writer"])
    if reader not in (*REORIENTING, *IN_FILE_ORDER):
        raise InputError(f"plans.json: image_reader_writer is {reader}, whose scans have no orientation")
    if reader in IN_FILE_ORDER and not orientation:
        raise InputError(
            f"nnU-Net's {reader} leaves scans as their files are oriented, which its plans do not say: pass "
            "--dataset_dir, the data set of the training, or --orientation, such as LPS"
        )
    if orientation and not is_orientation(orientation):
        raise InputError(f"orientation is {orientation!r}; pass {ORIENTATION}")
    slowest_first = ("RAS" if reader in REORIENTING else orientation)[::-1]
    return "".join(slowest_first[int(axis)] for axis in plans["transpose_forward"])


def network_of(settings: Json) -> dict[str, Any]:
    """The network's entry of a plan. Raises InputError: it is no plain or residual U-Net as nnU-Net plans it."""
    name, options = described_network(settings)
    levels = len(options["features_per_stage"])
    network: dict[str, Any] = {
        "name": {PLAIN: NETWORK, RESENC: RESENC}.get(name, ""),
        "filters": [int(one) for one in options["features_per_stage"]],
        "strides": [list(one) for one in options["strides"]],
        "kernel_size": [list(one) for one in options["kernel_sizes"]],
    }
    if not network["name"]:
        raise InputError(f"the network is {name}; {PLAIN} and {RESENC} can be taken over")
    other = [key for key, value in options.items() if key not in (*BLOCK, *LEVELS) and value]
    other += [
        key for key, value in BLOCK.items()
        if _bare(options.get(key)) != _bare(value) and not (key in WITHOUT_EFFECT and not options.get(key))
    ]  # fmt: skip
    if other:
        known = BLOCK.get(other[0])
        raise InputError(f"{name}: {other[0]} is {options.get(other[0])}; only {known} can be taken over")
    blocks = {_repeated(options["n_conv_per_stage_decoder"], levels - 1)}
    if name == RESENC:
        network["blocks"] = list(_repeated(options["n_blocks_per_stage"], levels))
        fits = blocks == {(1,) * (levels - 1)}
    else:
        encoder = _repeated(options["n_conv_per_stage"], levels)
        network["convolutions"] = encoder[0]
        fits = encoder[0] > 1 and set(encoder) == {encoder[0]} and blocks == {(encoder[0],) * (levels - 1)}
    if not fits:
        raise InputError(f"{name}: the levels differ in their numbers of convolutions, which cannot be taken over")
    return network


def described_network(settings: Json) -> tuple[str, dict[str, Any]]:
    """The name of the network's class and its arguments; nnU-Net before 2.4 has them apart in its plans."""
    if "architecture" in settings:
        architecture = settings["architecture"]
        return str(architecture["network_class_name"]).rsplit(".", 1)[-1], dict(architecture["arch_kwargs"])
    name = str(settings["UNet_class_name"])
    first, most = int(settings["UNet_base_num_features"]), int(settings["unet_max_num_features"])
    return name, {
        "features_per_stage": [min(first * 2**level, most) for level in range(len(settings["conv_kernel_sizes"]))],
        "strides": settings["pool_op_kernel_sizes"],
        "kernel_sizes": settings["conv_kernel_sizes"],
        "n_blocks_per_stage" if name == RESENC else "n_conv_per_stage": settings["n_conv_per_stage_encoder"],
        "n_conv_per_stage_decoder": settings["n_conv_per_stage_decoder"],
        **BLOCK,
    }


def nnunet_from_plan(plan: Json) -> tuple[dict[str, Any], dict[str, Any]]:
    """Content of plans.json and dataset.json with which nnU-Net predicts by a plan's network.

    Images are resampled linearly, as here. Raises InputError: the network, the axes or the normalisation have no
    counterpart.
    """
    letters = "SAR"
    if sorted(plan["orientation"]) != sorted(letters):
        raise InputError(
            f"the plan's orientation is {plan['orientation']}: nnU-Net's axes point to {', '.join(letters)}, in any "
            "order; train with such a plan"
        )
    forward = [letters.index(axis) for axis in plan["orientation"]]
    num_channels, intensity = len(plan["channels"]), plan.get("intensity")
    if plan["normalisation"] == CT and not intensity:
        raise InputError("the plan has no intensity, the statistics that CT is normalised with: add them")
    if plan["normalisation"] == ZSCORE:
        refuse_cropped(plan["fingerprint"].get("relative_size_after_cropping"))
    scheme = next(name for name, ours in SCHEMES.items() if ours == plan["normalisation"])
    properties = {theirs: float(intensity[ours]) for ours, theirs in PERCENTILES.items()} if intensity else {}
    resampling = {"order": 1, "force_separate_z": False}
    settings = {
        "data_identifier": f"nnUNetPlans_{CONFIGURATION}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": plan["batch_size"],
        "patch_size": list(plan["patch_size"]),
        "median_image_size_in_voxels": list(plan["patch_size"]),
        "spacing": list(plan["spacing"]),
        "normalization_schemes": [scheme] * num_channels,
        "use_mask_for_norm": [False] * num_channels,
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": {"is_seg": False, **resampling},
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_seg_kwargs": {"is_seg": True, **resampling},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {"is_seg": False, **resampling},
        "architecture": nnunet_architecture(plan["network"]),
        "batch_dice": False,
    }
    name = re.sub(r"\W+", "_", plan["name"]) or "model"
    plans = {
        "dataset_name": name,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": list(plan["spacing"]),
        "original_median_shape_after_transp": list(plan["patch_size"]),
        "image_reader_writer": REORIENTED,
        "transpose_forward": forward,
        "transpose_backward": [forward.index(axis) for axis in range(3)],
        "configurations": {CONFIGURATION: settings},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(one): properties for one in range(num_channels)},
    }
    dataset = {
        "channel_names": {str(number): one for number, one in enumerate(plan["channels"])},
        "labels": {"background": 0, **{one: number for number, one in enumerate(plan["classes"], start=1)}},
        "numTraining": int(plan["fingerprint"].get("cases") or 0),
        "file_ending": ".nii.gz",
    }
    return plans, dataset


def nnunet_architecture(network: Json) -> dict[str, Any]:
    """nnU-Net's description of a network. Raises InputError: it has no such network."""
    known = {
        "name",
        "filters",
        "strides",
        "kernel_size",
        *(("blocks",) if network["name"] == RESENC else ("convolutions",)),
    }
    if network["name"] not in (NETWORK, RESENC) or set(network) - known:
        what = ", ".join(f"{key} {value}" for key, value in network.items() if key not in known) or network["name"]
        raise InputError(f"nnU-Net has no network of {what}: {NETWORK} and {RESENC} can be given to it")
    levels = len(network["filters"])
    residual = network["name"] == RESENC
    convolutions = int(network.get("convolutions", 2))
    counts = (
        {"n_blocks_per_stage": list(network.get("blocks") or residual_blocks(levels))}
        if residual
        else {"n_conv_per_stage": [convolutions] * levels}
    )
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{RESENC if residual else PLAIN}",
        "arch_kwargs": {
            "n_stages": levels,
            "features_per_stage": list(network["filters"]),
            "kernel_sizes": [_three(one) for one in network["kernel_size"]],
            "strides": [_three(one) for one in network["strides"]],
            **counts,
            "n_conv_per_stage_decoder": [1 if residual else convolutions] * (levels - 1),
            **BLOCK,
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def _bare(value: Any) -> Any:
    """The name of a class without its module, which differs between versions."""
    return value.rsplit(".", 1)[-1] if isinstance(value, str) else value


def _repeated(value: Any, levels: int) -> tuple[int, ...]:
    return (value,) * levels if isinstance(value, int) else tuple(value)


def _three(value: Any) -> list[int]:
    return [value] * 3 if isinstance(value, int) else list(value)
