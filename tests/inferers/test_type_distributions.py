"""The type whose logits a scan's look like, against likelihoods added up voxel by voxel."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from custom.errors import InputError
from custom.inferers.logit_moments import LogitMoments
from custom.inferers.type_distributions import (
    fit_distribution,
    joint_moments,
    log_likelihood,
    read_distributions,
    type_probabilities,
    write_distributions,
)

CLASSES = ["a", "b", "c"]


def scan(mean, voxels=400, seed=0, spread=1.0):
    """Moments of a scan all of whose voxels are given class 1 and have logits about `mean`, and the logits."""
    random = np.random.default_rng(seed)
    own = np.asarray(mean, float) + spread * random.standard_normal((voxels, 3))
    background = random.standard_normal((voxels, 1))
    scores = torch.as_tensor(np.concatenate((background, own + background), axis=1).T.copy())
    moments = LogitMoments()
    for part in scores.split(130, dim=1):
        moments.add(part, torch.ones(part.shape[1], dtype=torch.long))
    return joint_moments(moments.sums, [1, 2, 3]), own


def test_the_distribution_is_that_of_all_voxels():
    moments, own = scan([1, -2, 0.5])
    fitted = fit_distribution([moments])
    assert fitted.mean == pytest.approx(own.mean(axis=0))
    assert fitted.covariance == pytest.approx(np.cov(own.T, ddof=0), abs=2e-3)


def test_each_case_weighs_the_same():
    small, large = scan([0, 0, 0], 50)[0], scan([2, 2, 2], 5000, seed=1)[0]
    assert fit_distribution([small, large]).mean == pytest.approx([1, 1, 1], abs=0.2)


def test_the_likelihood_is_the_mean_over_voxels():
    fitted = fit_distribution([scan([1, -2, 0.5])[0], scan([0, -1, 0.5], seed=1)[0]])
    moments, own = scan([0.3, -1, 2], seed=2)
    expected = multivariate_normal(fitted.mean, fitted.covariance).logpdf(own).mean()
    assert log_likelihood(moments, fitted) == pytest.approx(expected, rel=1e-6)


def test_a_scan_gets_the_type_it_resembles_and_one_between_types_none():
    types = {"a": fit_distribution([scan([3, 0, 0])[0]]), "b": fit_distribution([scan([0, 3, 0])[0]])}
    assert type_probabilities(scan([2.5, 0.5, 0], seed=3)[0], types)["a"] > 0.95
    assert type_probabilities(scan([0.5, 2.5, 0], seed=3)[0], types)["b"] > 0.95
    between = type_probabilities(scan([1.5, 1.5, 0], 40_000, seed=3)[0], types)
    assert between["a"] == pytest.approx(0.5, abs=0.2)
    assert sum(between.values()) == pytest.approx(1)


def test_the_voxels_of_other_classes_do_not_count():
    moments = LogitMoments()
    scores = torch.randn(4, 6, dtype=torch.float64)
    moments.add(scores, torch.tensor([0, 1, 1, 2, 3, 3]))
    joint = joint_moments(moments.sums, [1, 3])
    assert joint.voxels == 4
    assert joint.logits == pytest.approx((scores[1:] - scores[:1])[:, [1, 2, 4, 5]].sum(dim=1).tolist())
    assert joint_moments(moments.sums, []) is None


def test_what_is_written_is_read(tmp_path):
    types = {"a": fit_distribution([scan([3, 0, 0])[0]]), "c": fit_distribution([scan([0, 3, 0])[0]] * 2)}
    write_distributions(tmp_path / "typing.json", CLASSES, types)
    read = read_distributions(tmp_path / "typing.json", CLASSES)
    assert list(read) == ["a", "c"]
    assert read["c"].cases == 2
    assert np.array_equal(read["a"].covariance, types["a"].covariance)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no distributions of types to read"),
        ("[]", "holds no distributions of types"),
        ('{"classes": ["a"], "types": {"a": {"cases": 1, "mean": [1, 2], "covariance": [[1]]}}}', "holds no dist"),
        ('{"classes": ["a", "b"], "types": {}}', "is for the classes a, b, not a, b, c"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, message):
    file = tmp_path / "typing.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read_distributions(file, CLASSES)
    assert "fit_typing.yaml" in str(error.value)
    assert "\n" not in str(error.value)
