"""Small plans.json and dataset.json as nnU-Net v2 writes them: for CT whose files are LPS, thick slices along x."""

from typing import Any

NORM = "torch.nn.modules.instancenorm.InstanceNorm3d"


def nnunet_plans(**changed: Any) -> dict[str, Any]:
    """Plans of 2.4 and later; `changed` are entries of the configuration."""
    settings = {
        "spacing": [4.0, 1.5, 1.0],
        "patch_size": [8, 32, 16],
        "batch_size": 3,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {
                "n_stages": 3,
                "features_per_stage": [4, 8, 16],
                "conv_op": "torch.nn.modules.conv.Conv3d",
                "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
                "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
                "n_conv_per_stage": [2, 2, 2],
                "n_conv_per_stage_decoder": [2, 2],
                "conv_bias": True,
                "norm_op": NORM,
                "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                "dropout_op": None,
                "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU",
                "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        **changed,
    }
    statistics = {"mean": 40.0, "std": 60.0, "percentile_00_5": -150.0, "percentile_99_5": 250.0, "median": 45.0}
    return {
        "dataset_name": "Dataset001_Belly",
        "plans_name": "nnUNetPlans",
        "transpose_forward": [2, 0, 1],
        "transpose_backward": [1, 2, 0],
        "image_reader_writer": "SimpleITKIO",
        "configurations": {"3d_fullres": settings},
        "foreground_intensity_properties_per_channel": {"0": statistics},
    }


def nnunet_dataset(**changed: Any) -> dict[str, Any]:
    """A description of two classes, in another order than their ids."""
    labels = {"background": 0, "tumour": 2, "liver": 1}
    return {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 4, "file_ending": ".nii.gz", **changed}
