"""A rolling slab gives what a whole volume of probabilities would."""

import pytest
import torch

from custom.inferers.slab_accumulator import SlabAccumulator
from tests.plain_route import even_windows

WINDOW = (4, 5, 6)
CPU = torch.device("cpu")


def accumulator(size, region=None, dtype=torch.float32, softmax=True):
    return SlabAccumulator(3, size, WINDOW, region or tuple(slice(0, n) for n in size), dtype, CPU, softmax)


def streamed(slab, windows, logits):
    planes = []
    for window, values in zip(windows, logits, strict=True):
        planes += slab.advance(window[0].start)
        slab.add(window, values)
    return torch.cat([*planes, *slab.finish()], dim=1)


@pytest.mark.parametrize("size", [(4, 5, 6), (13, 9, 17), (40, 5, 11)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 5e-3)])
@pytest.mark.parametrize("softmax", [True, False])
def test_equals_the_sum_over_a_whole_volume(size, dtype, tolerance, softmax):
    windows = list(even_windows(size, WINDOW))
    logits = torch.randn(len(windows), 3, *WINDOW)
    slab = accumulator(size, dtype=dtype, softmax=softmax)
    total, weights = torch.zeros(3, *size), torch.zeros(size)
    for window, values in zip(windows, logits, strict=True):
        total[(slice(None), *window)] += (values.softmax(dim=0) if softmax else values) * slab.weight
        weights[window] += slab.weight
    torch.testing.assert_close(streamed(slab, windows, logits), total / weights, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("softmax", [True, False])
def test_planes_without_a_window_are_background(softmax):
    """Windows at planes 0 and 12 of 16: between them nothing, and the buffer holds no rest of the first."""
    slab = accumulator((16, 5, 12), softmax=softmax)
    windows = [(slice(start, start + 4), slice(0, 5), slice(3, 9)) for start in (0, 12)]
    logits = torch.zeros(2, 3, *WINDOW)
    logits[:, 2] = 20
    mean = streamed(slab, windows, logits)
    expected = torch.zeros(16, 5, 12, dtype=torch.long)
    expected[:4, :, 3:9] = expected[12:, :, 3:9] = 2
    assert mean.argmax(dim=0).equal(expected)
    probabilities = mean if softmax else mean.softmax(dim=0)
    assert probabilities[0][expected == 0].eq(1).all()
    assert probabilities.sum(dim=0).allclose(torch.ones(16, 5, 12))


def test_only_the_region_is_handed_on():
    region = (slice(1, 3), slice(2, 5), slice(0, 6))
    windows = [tuple(slice(0, n) for n in WINDOW)]
    logits = torch.randn(1, 3, *WINDOW)
    mean = streamed(accumulator(WINDOW, region), windows, logits)
    assert mean.allclose(logits[0].softmax(dim=0)[(slice(None), *region)])


def test_few_planes_at_a_time():
    slab = accumulator((40, 5, 6))
    assert max(planes.shape[1] for planes in slab.advance(40)) <= 8


@pytest.mark.parametrize("softmax", [True, False])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_network_is_refused(softmax, value):
    logits = torch.zeros(1, 3, *WINDOW)
    logits[0, 2, 1, 2, 3] = value
    with pytest.raises(ValueError, match="the network's output is not finite"):
        streamed(accumulator(WINDOW, softmax=softmax), [tuple(slice(0, n) for n in WINDOW)], logits)
