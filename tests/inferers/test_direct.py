"""The whole batch at once, in the precision asked for."""

import torch

from custom.inferers import DirectInferer


def test_precision_of_convolutions():
    network = torch.nn.Conv3d(1, 2, 1)
    image = torch.rand(1, 1, 4, 4, 4)
    assert DirectInferer()(image, network).dtype == torch.float32
    assert DirectInferer(torch.bfloat16)(image, network).dtype == torch.bfloat16
    exact, rounded = network(image), DirectInferer(torch.bfloat16)(image, network)
    assert torch.allclose(exact, rounded.float(), atol=0.05)


def test_any_output_is_passed_on():
    assert DirectInferer()(torch.ones(1), lambda x: ([x], x)) == ([torch.ones(1)], torch.ones(1))
