"""nnU-Net's two networks written out as functions of a dictionary of tensors with nnU-Net's names."""

import torch
from torch.nn import functional as F

Weights = dict[str, torch.Tensor]


def random_weights(network: dict, channels: int, classes: int) -> Weights:
    """Tensors with the names and shapes that nnU-Net's checkpoints have, second names included."""
    torch.manual_seed(0)
    filters, kernels, strides = network["filters"], network["kernel_size"], network["strides"]
    deepest, found = len(filters) - 1, {}

    def unit(name: str, before: int, features: int, kernel: list[int], biased: bool = True) -> None:
        for place in (f"{name}.conv.", f"{name}.all_modules.0."):
            found[f"{place}weight"] = torch.randn(features, before, *kernel) / before
            if biased:
                found[f"{place}bias"] = torch.randn(features)
        for place in (f"{name}.norm.", f"{name}.all_modules.1."):
            found[f"{place}weight"], found[f"{place}bias"] = torch.rand(features) + 0.5, torch.randn(features)

    residual = "blocks" in network
    if residual:
        unit("encoder.stem.convs.0", channels, filters[0], kernels[0])
    for level, features in enumerate(filters):
        before = filters[max(level - 1, 0)] if level or residual else channels
        for one in range(network["blocks"][level] if residual else network["convolutions"]):
            if residual:
                name = f"encoder.stages.{level}.blocks.{one}"
                unit(f"{name}.conv1", before, features, kernels[level])
                unit(f"{name}.conv2", features, features, kernels[level])
                if before != features:
                    unit(f"{name}.skip.{int(max(strides[level]) > 1)}", before, features, [1, 1, 1], biased=False)
            else:
                unit(f"encoder.stages.{level}.0.convs.{one}", before, features, kernels[level])
            before = features
    found |= {f"decoder.{key}": value for key, value in found.items()}
    for step in range(deepest):
        level = deepest - 1 - step
        up = f"decoder.transpconvs.{step}"
        found[f"{up}.weight"] = torch.randn(filters[level + 1], filters[level], *strides[level + 1]) / 4
        found[f"{up}.bias"] = torch.randn(filters[level])
        for one in range(1 if residual else network["convolutions"]):
            before = filters[level] * (1 if one else 2)
            unit(f"decoder.stages.{step}.convs.{one}", before, filters[level], kernels[level])
        found[f"decoder.seg_layers.{step}.weight"] = torch.randn(classes, filters[level], 1, 1, 1)
        found[f"decoder.seg_layers.{step}.bias"] = torch.randn(classes)
    return found


def answer(weights: Weights, network: dict, image: torch.Tensor) -> list[torch.Tensor]:
    """Logits of every decoder level, finest first."""
    strides, deepest, residual = network["strides"], len(network["filters"]) - 1, "blocks" in network

    def unit(x: torch.Tensor, name: str, stride: list[int] | int = 1, active: bool = True) -> torch.Tensor:
        kernel = weights[f"{name}.conv.weight"]
        padding = [size // 2 for size in kernel.shape[2:]]
        x = F.conv3d(x, kernel, weights.get(f"{name}.conv.bias"), stride, padding)
        x = F.instance_norm(x, weight=weights[f"{name}.norm.weight"], bias=weights[f"{name}.norm.bias"], eps=1e-5)
        return F.leaky_relu(x, 0.01) if active else x

    x = unit(image, "encoder.stem.convs.0") if residual else image
    skips = []
    for level in range(deepest + 1):
        for one in range(network["blocks"][level] if residual else network["convolutions"]):
            stride = 1 if one else strides[level]
            if residual:
                name = f"encoder.stages.{level}.blocks.{one}"
                shortcut = F.avg_pool3d(x, stride, stride) if stride != 1 and max(stride) > 1 else x
                skip = f"{name}.skip.{int(stride != 1 and max(stride) > 1)}"
                if f"{skip}.conv.weight" in weights:
                    shortcut = unit(shortcut, skip, active=False)
                x = unit(unit(x, f"{name}.conv1", stride), f"{name}.conv2", active=False)
                x = F.leaky_relu(x + shortcut, 0.01)
            else:
                x = unit(x, f"encoder.stages.{level}.0.convs.{one}", stride)
        skips.append(x)
    logits = []
    for step in range(deepest):
        stride = strides[deepest - step]
        up = f"decoder.transpconvs.{step}"
        x = F.conv_transpose3d(x, weights[f"{up}.weight"], weights[f"{up}.bias"], stride)
        x = torch.cat((x, skips[deepest - 1 - step]), dim=1)
        for one in range(1 if residual else network["convolutions"]):
            x = unit(x, f"decoder.stages.{step}.convs.{one}")
        head = f"decoder.seg_layers.{step}"
        logits.insert(0, F.conv3d(x, weights[f"{head}.weight"], weights[f"{head}.bias"]))
    return logits
