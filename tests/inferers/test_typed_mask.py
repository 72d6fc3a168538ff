"""The type that is written onto a mask."""

from __future__ import annotations

import pytest
import torch

from custom.errors import InputError
from custom.inferers import TypedMaskInferer

MASK = torch.zeros(1, 1, 4, 5, 6)
MASK[..., 1:3, 2, 3:] = 1
SEEN = torch.ones(1, 1, 2, 3, 4)
SCAN = torch.zeros(1, 1, 2, 3, 4)


def test_the_likeliest_type_is_written_onto_the_whole_mask():
    result = TypedMaskInferer([2, 2, 2], False)(SCAN, lambda _: torch.tensor([[0.0, 2.0, 1.0]]), MASK, SEEN)
    assert result.dtype == torch.uint8
    assert torch.equal(result, 2 * MASK.to(torch.uint8))
    assert not TypedMaskInferer([2, 2, 2], False)(SCAN, lambda _: torch.ones(1, 3), 0 * MASK, SEEN).any()


@pytest.mark.parametrize("with_mask", [False, True])
def test_the_network_sees_the_padded_scan_and_the_mask_if_it_may(with_mask):
    seen = []

    def network(image):
        seen.append(image)
        return torch.ones(1, 2)

    TypedMaskInferer([4, 4, 4], with_mask)(SCAN + 3, network, MASK, 7 * SEEN)
    (image,) = seen
    assert image.shape == (1, 1 + with_mask, 4, 4, 4)
    assert image[:, 0].sum() == 3 * 24
    if with_mask:
        assert image[:, 1].sum() == 24
        assert set(image[:, 1].unique().tolist()) == {0, 1}, "whatever the mask's values"


def test_logits_are_averaged_over_mirrored_scans():
    scan = torch.arange(24.0).reshape(1, 1, 2, 3, 4)

    def network(image):
        return torch.stack([image[0, 0, 0, 0, 0], torch.tensor(13.0)])[None]

    assert TypedMaskInferer([1, 1, 1], False)(scan, network, MASK, SEEN).max() == 2, "0 against 13"
    assert TypedMaskInferer([1, 1, 1], False, [0, 1, 2])(scan, network, MASK, SEEN).max() == 2, "11.5 against 13"
    assert TypedMaskInferer([1, 1, 1], False, [0, 1, 2])(scan + 2, network, MASK, SEEN).max() == 1, "13.5 against 13"


def test_no_type_of_what_is_no_number():
    with pytest.raises(InputError, match="not finite"):
        TypedMaskInferer([1, 1, 1], False)(SCAN, lambda _: torch.full((1, 2), torch.nan), MASK, SEEN)
