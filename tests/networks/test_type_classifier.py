"""The classifier of whole scans against what the BATseg paper states, and whether it learns."""

from __future__ import annotations

import pytest
import torch
from monai.networks.nets import resnet101
from torch.nn import functional as F

from custom.errors import InputError
from custom.networks import build_classifier, classifier_architecture, shared_parameters
from custom.networks.type_classifier import ResNet101, TypeClassifier

UNET = {"name": "NativeScaleDynUNet", "filters": [4, 8, 16], "strides": [1, 2, 2], "kernel_size": [3, 3, 3]}
SMALL = [
    {"name": "UNetEncoder", **{key: UNET[key] for key in ("filters", "strides", "kernel_size")}},
    {"name": "ResNet101", "layers": [1, 1, 1, 1], "widths": [4, 4, 8, 8]},
]


def built(encoder, in_channels=1, num_types=2, size=(16, 16, 16)) -> TypeClassifier:
    return build_classifier(classifier_architecture(encoder, UNET), in_channels, num_types, size)


def count(module) -> int:
    return sum(one.numel() for one in module.parameters())


def test_as_many_parameters_as_published():
    """ResNet101 85.2 M and its perceptron 2.8 M; that of 320 features 1 M."""
    with torch.device("meta"):
        whole = TypeClassifier(ResNet101(1), 4)
        assert count(ResNet101(1)) == count(resnet101(pretrained=False, feed_forward=False, n_input_channels=1))
    assert count(whole.encoder) == pytest.approx(85.2e6, rel=0.01)
    assert count(whole.perceptron) == pytest.approx(2.756e6, rel=0.001)
    assert [one.out_features for one in whole.perceptron[::2]] == [1024, 512, 256, 4]
    unet = built({"name": "UNetEncoder", "filters": [8, 16, 320], "strides": [1, 2, 2], "kernel_size": [3, 3, 3]})
    assert count(unet.perceptron) == pytest.approx(0.985e6, rel=0.01)


@pytest.mark.parametrize("encoder", SMALL, ids=lambda one: one["name"])
def test_a_number_for_each_type_whatever_the_size(encoder):
    network = built(encoder, in_channels=2, num_types=3).eval()
    for size in ((16, 16, 16), (9, 20, 33)):
        assert network(torch.randn(2, 2, *size)).shape == (2, 3)
    assert shared_parameters(network)


@pytest.mark.parametrize("encoder", SMALL, ids=lambda one: one["name"])
def test_every_parameter_learns(encoder):
    torch.manual_seed(0)
    network = built(encoder)
    F.cross_entropy(network(torch.randn(4, 1, 32, 32, 32)), torch.tensor([0, 1, 0, 1])).backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in network.parameters())
    assert sum(one.grad.abs().sum() > 0 for one in network.parameters()) > 0.8 * len(list(network.parameters()))


@pytest.mark.parametrize("encoder", SMALL, ids=lambda one: one["name"])
def test_it_learns_to_tell_bright_from_dark_boxes(encoder):
    torch.manual_seed(0)
    network = built(encoder)
    images, types = torch.randn(8, 1, 16, 16, 16) * 0.1, torch.arange(8) % 2
    for image, kind in zip(images, types, strict=True):
        image[0, 4:10, 5:12, 3:9] += 2 if kind else -2
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(15):
        loss = F.cross_entropy(network(images), types)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network.eval()(images).argmax(1) == types).all()


def test_an_encoder_takes_the_levels_of_the_plans_network():
    plan = {**UNET, "decoder_kernel_size": [3, 3], "trans_bias": False}
    architecture = classifier_architecture({"name": "UNetEncoder"}, plan)
    assert architecture == {"name": "TypeClassifier", "encoder": SMALL[0]}
    assert classifier_architecture({"name": "ResNet101"}, architecture) == architecture, "the weights' own plan"


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({"name": "ResNet50"}, r"classifier: there is no encoder 'ResNet50' \(did you mean ResNet101\?\); there are"),
        ({"name": "ResNet101", "depth": 3}, "ResNet101 cannot be made with .*depth"),
        (
            {"name": "UNetEncoder", "filters": 5 * [4], "strides": [1, 2, 2, 2, 2], "kernel_size": 5 * [3]},
            "UNetEncoder leaves nothing of scans of .16, 16, 16. voxels",
        ),
        ({"layers": [1]}, "give a network's name"),
    ],
)
def test_refused(encoder, message):
    with pytest.raises(InputError, match=message):
        built(encoder)


def test_another_networks_plan_has_no_levels_to_take():
    with pytest.raises(InputError, match="the plan's network is SwinUNETR, of which UNetEncoder takes no levels"):
        classifier_architecture({"name": "UNetEncoder"}, {"name": "SwinUNETR"})
