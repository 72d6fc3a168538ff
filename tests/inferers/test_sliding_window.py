"""Sliding windows: where they lie, that they cover, that mirroring and weighting leave exact predictors exact."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from custom.inferers import EvenWindowInferer
from custom.inferers.sliding_window import even_starts, even_windows, mirrored_mean


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
    for window in even_windows(seen.shape, (4, 5, 7), 0.5):
        assert seen[window].shape == (4, 5, 7)
        seen[window] += 1
    assert seen.min() >= 1


@pytest.mark.parametrize("shape", [(12, 9, 17), (3, 20, 5)])
@pytest.mark.parametrize("mirror_axes", [None, [0], [0, 1, 2]])
@pytest.mark.parametrize("sw_batch_size", [1, 3])
def test_pointwise_network_is_reproduced(shape, mirror_axes, sw_batch_size):
    """A network that looks at single voxels gives the same from windows as from the whole, also when padded."""
    image = torch.randn(2, 1, *shape)
    inferer = EvenWindowInferer((6, 6, 8), sw_batch_size=sw_batch_size, mirror_axes=mirror_axes)
    logits = inferer(image, lambda x: torch.cat([x, 2 * x + 1], dim=1))
    assert torch.allclose(logits, torch.cat([image, 2 * image + 1], dim=1), atol=1e-5)


def test_mirroring_averages_all_combinations():
    """A network that answers with the first axis's coordinate: mirrored back, the mean is the middle everywhere."""
    ramp = torch.arange(5.0).reshape(1, 1, 5, 1).expand(1, 1, 5, 3)
    assert torch.allclose(mirrored_mean(lambda _: ramp, torch.zeros(1, 1, 5, 3), [0, 1]), torch.full((1, 1, 5, 3), 2.0))


def test_number_of_mirrored_predictions():
    calls = []
    EvenWindowInferer((4, 4, 4), mirror_axes=[0, 2])(torch.zeros(1, 1, 4, 4, 4), lambda x: calls.append(1) or x)
    assert len(calls) == 4


def test_window_centre_counts_most():
    """Of two overlapping windows that disagree, each voxel follows the window whose centre is nearer."""
    answers = iter([torch.zeros(1, 1, 8), torch.ones(1, 1, 8)])
    merged = EvenWindowInferer((8,))(torch.zeros(1, 1, 12), lambda _: next(answers))[0, 0]
    assert (merged.diff() >= 0).all()
    assert merged[:4].max() == 0
    assert merged[8:].min() == 1
    assert merged[5] < 0.5 < merged[6]


def test_metadata_are_kept_and_the_finest_of_several_outputs_is_used():
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0]))
    image = MetaTensor(torch.rand(1, 1, 6, 6, 6), affine=affine)
    logits = EvenWindowInferer((4, 4, 4))(image, lambda x: ([x + 1, x[..., ::2]], x))
    assert isinstance(logits, MetaTensor)
    assert torch.allclose(logits.as_tensor(), image.as_tensor() + 1, atol=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match=r"step is 0; use a fraction in \(0, 1\]"):
        EvenWindowInferer((4, 4), step=0)
    with pytest.raises(ValueError, match=r"\(1, 1, 8, 8\) has 2 spatial axes, roi_size \(4, 4, 4\) has 3"):
        EvenWindowInferer((4, 4, 4))(torch.zeros(1, 1, 8, 8), lambda x: x)
