"""A temperature makes confidences what they say, on cases whose certainty is exaggerated by a known factor."""

import numpy as np
import pytest
import torch

from custom.errors import InputError
from custom.inferers.temperature import (
    TEMPERATURES,
    TemperedConfidence,
    fit_temperature,
    read_temperature,
    write_temperature,
)


def test_mean_of_the_largest_probability_over_the_foreground_at_each_temperature():
    scores = torch.randn(4, 3, 5, 6)
    labels = scores.argmax(dim=0)
    confidence = TemperedConfidence([1.0, 2.5])
    for planes in (slice(0, 1), slice(1, 3)):
        confidence.add(scores[:, planes], labels[planes])
    for mean, temperature in zip(confidence.means(), (1.0, 2.5), strict=True):
        expected = (scores / temperature).softmax(0).amax(0)[labels > 0].mean()
        assert mean == pytest.approx(float(expected), rel=1e-5)
    assert TemperedConfidence([1.0]).means() is None


@pytest.mark.parametrize("true", [TEMPERATURES[10], 1.0, TEMPERATURES[35]])
def test_the_factor_of_exaggeration_is_found(true):
    """Voxels are right as often as the softmax of logits / true says; the network says the softmax of the logits."""
    random = torch.Generator().manual_seed(0)
    confidences, correct = [], []
    for case in range(30):
        scores = torch.randn(3, 2000, generator=random) * (0.5 + case / 10) * true
        truth = torch.multinomial((scores / true).softmax(0).T, 1, generator=random)[:, 0]
        labels = torch.ones(2000)
        confidence = TemperedConfidence(TEMPERATURES)
        confidence.add(scores, labels)
        confidences.append(confidence.means())
        correct.append(float((scores.argmax(0) == truth).float().mean()))
    assert fit_temperature(np.array(confidences), np.array(correct)) == pytest.approx(true, rel=0.1)


def test_one_is_among_those_tried():
    assert 1.0 in TEMPERATURES


def test_files(tmp_path):
    options = {"mirrored": True, "consensus": False}
    write_temperature(tmp_path / "temperature.json", 1.5, 8, options)
    assert read_temperature(tmp_path / "temperature.json", options) == 1.5
    with pytest.raises(InputError, match=r"fitted with consensus False, this run has True; pass the same, or fit one"):
        read_temperature(tmp_path / "temperature.json", {**options, "consensus": True})
    texts = {"{}": "holds no temperature", '{"temperature": 0, "options": {}}': "must be above 0"}
    for content, message in texts.items():
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(InputError, match=message):
            read_temperature(tmp_path / "other.json", {})
    with pytest.raises(InputError, match=r"no temperature to read .*fit_temperature.yaml"):
        read_temperature(tmp_path / "nowhere.json", {})
