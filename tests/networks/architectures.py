"""Small networks as plans describe them."""

from typing import Any

OURS = {
    "name": "NativeScaleDynUNet",
    "filters": [4, 8, 16],
    "strides": [1, [1, 2, 2], 2],
    "kernel_size": [[1, 3, 3], 3, 3],
}
SWIN = {"name": "SwinUNETR", "feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]}
MEDNEXT = {
    "name": "MedNeXt",
    "init_filters": 4,
    "deep_supervision": True,
    "kernel_size": 3,
    "blocks_down": [1, 1],
    "blocks_up": [1, 1],
    "blocks_bottleneck": 1,
}
UNET = {"name": "UNet", "channels": [4, 8, 16], "strides": [2, 2]}
SEGRESNET = {"name": "SegResNet", "blocks_down": [1, 1, 1], "blocks_up": [1, 1]}
UNETR = {"name": "UNETR", "hidden_size": 24, "mlp_dim": 24, "num_heads": 2}
NNFORMER = {"name": "NNFormer", "embed_dim": 8, "depths": [2, 2], "num_heads": [1, 2], "window_size": [4, 2]}
RES_ENC = {**OURS, "name": "ResidualEncoderUNet", "blocks": [1, 2, 1]}
UX_NET = {"name": "UXNet", "dims": [4, 8], "depths": [1, 1], "hidden_size": 16}
# architecture, patch, size multiple, scales, channels of the features
FACTS: list[tuple[dict[str, Any], list[int], list[int], int, int]] = [
    (OURS, [8, 8, 8], [2, 4, 4], 2, 4),
    (SWIN, [64, 32, 32], [32, 32, 32], 1, 12),
    (MEDNEXT, [8, 8, 8], [4, 4, 4], 3, 4),
    (UNET, [8, 8, 8], [4, 4, 4], 1, 8),  # the transposed convolution at the end takes features and their skip
    ({**UNET, "num_res_units": 2}, [8, 8, 8], [4, 4, 4], 1, 8),
    (SEGRESNET, [8, 8, 8], [4, 4, 4], 1, 8),
    ({"name": "SegResNetDS", "blocks_down": [1, 1, 1], "init_filters": 4, "dsdepth": 2}, [8, 8, 8], [4, 4, 4], 2, 4),
    (NNFORMER, [16, 8, 24], [8, 8, 8], 1, 8),
    (RES_ENC, [8, 8, 8], [2, 4, 4], 2, 4),
    (UX_NET, [8, 12, 8], [4, 4, 4], 1, 4),
    (UNETR, [32, 16, 32], [32, 16, 32], 1, 16),
    ({"name": "VNet"}, [32, 32, 16], [16, 16, 16], 1, 32),
    ({"name": "BasicUNet", "features": [4, 4, 8, 8, 8, 4]}, [32, 32, 32], [8, 8, 8], 1, 4),
    ({"name": "AttentionUnet", "channels": [4, 8], "strides": [2]}, [8, 8, 8], [2, 2, 2], 1, 4),
    ({"name": "FlexibleUNet", "backbone": "efficientnet-b0"}, [64, 32, 32], [16, 16, 16], 1, 16),
    ({**OURS, "name": "DynUNet", "upsample_kernel_size": [[1, 2, 2], 2]}, [8, 8, 8], [2, 4, 4], 1, 4),
]
NAMES = [architecture["name"] for architecture, *_ in FACTS]
