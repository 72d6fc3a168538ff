"""Means over the voxels of a class, added up part by part."""

import pytest
import torch

from custom.inferers.class_confidence import ClassConfidence


def test_means_by_hand():
    confidence = ClassConfidence()
    confidence.add(torch.tensor([[0.9, 0.5], [0.7, 1.0]]), torch.tensor([[0, 3], [3, 1]]))
    confidence.add(torch.tensor([0.6]), torch.tensor([3], dtype=torch.uint8))
    assert confidence.means() == {1: pytest.approx(1.0), 3: pytest.approx(0.6)}


def test_nothing_but_background():
    confidence = ClassConfidence()
    confidence.add(torch.ones(4), torch.zeros(4, dtype=torch.long))
    assert confidence.means() == {}
