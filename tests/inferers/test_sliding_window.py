"""Sliding windows: where they lie, that they cover, their weight, and mirrored prediction."""

import numpy as np
import pytest
import torch

from custom.inferers.sliding_window import even_starts, gaussian_weight, main_output, mirrored_mean, pad_to_window
from tests.plain_route import even_windows


@pytest.mark.parametrize(
    ("size", "window", "step", "starts"),
    [
        (4, 4, 0.5, [0]),
        (5, 4, 0.5, [0, 1]),
        (10, 4, 0.5, [0, 2, 4, 6]),
        (11, 4, 0.5, [0, 2, 4, 5, 7]),
        (10, 4, 1.0, [0, 3, 6]),
        (110, 64, 0.5, [0, 23, 46]),
    ],
)
def test_starts_by_hand(size, window, step, starts):
    assert even_starts(size, window, step) == starts


@pytest.mark.parametrize("size", range(7, 40))
def test_windows_cover_and_are_at_most_a_step_apart(size):
    starts = even_starts(size, 7, 0.5)
    assert starts[0] == 0
    assert starts[-1] == size - 7
    gaps = np.diff(starts)
    assert (gaps <= 4).all()
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1, "evenly spread"


def test_every_voxel_is_in_a_window():
    seen = torch.zeros(9, 12, 7)
    for window in even_windows(seen.shape, (4, 5, 7)):
        assert seen[window].shape == (4, 5, 7)
        seen[window] += 1
    assert seen.min() >= 1


def test_mirroring_averages_all_combinations():
    """A network that answers with the first axis's coordinate: mirrored back, the mean is the middle everywhere."""
    ramp = torch.arange(5.0).reshape(1, 1, 5, 1).expand(1, 1, 5, 3)
    assert torch.allclose(mirrored_mean(lambda _: ramp, torch.zeros(1, 1, 5, 3), [0, 1]), torch.full((1, 1, 5, 3), 2.0))


def test_number_of_mirrored_predictions():
    calls = []
    mirrored_mean(lambda x: calls.append(1) or x, torch.zeros(1, 1, 4, 4, 4), [0, 2])
    assert len(calls) == 4


@pytest.mark.parametrize("axes", [[], [1], [0, 1, 2]])
def test_mirroring_leaves_a_pointwise_network_and_its_image_as_they_are(axes):
    image = torch.randn(1, 1, 3, 4, 5)
    before = image.clone()
    assert torch.allclose(mirrored_mean(lambda x: x, image, axes), before, atol=1e-6)
    assert image.equal(before)


def test_weight_is_gaussian_with_an_eighth_of_the_window():
    weight = gaussian_weight((4, 5, 6), torch.device("cpu"))
    along_x = weight[2, 2] / weight[2, 2, 2]
    expected = torch.exp(-((torch.arange(6) - 2.5) ** 2) / (2 * (6 / 8) ** 2))
    assert torch.allclose(along_x[1:5], (expected / expected[2])[1:5])


def test_padding_is_zero_and_leaves_the_image_in_the_middle():
    image = torch.rand(1, 2, 3, 9, 4)
    padded, inner = pad_to_window(image, (6, 6, 6))
    assert padded.shape == (1, 2, 6, 9, 6)
    assert inner == (slice(1, 4), slice(0, 9), slice(1, 5))
    assert padded[(..., *inner)].equal(image)
    assert padded.sum() == pytest.approx(image.sum().item(), rel=1e-5)


def test_the_finest_of_several_outputs():
    assert main_output(([torch.ones(1), torch.zeros(1)], torch.zeros(1))) == torch.ones(1)
