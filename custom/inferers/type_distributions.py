"""Which lesion type's logits those of a scan look like: our reading of the announced BATseg++.

Its authors describe "per class the distribution of per-voxel logits" of the training set, with which the test scan's
distribution is compared. They give neither the form of the distributions nor the comparison; here the former are
Gaussians and the latter is the Kullback-Leibler divergence from the scan's to the type's, with which goes the mean
log-likelihood of the scan's voxels.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..io.atomic_write import write_json
from .logit_moments import MomentSums

RIDGE = 1e-3  # of the mean variance, added to every variance: a few similar cases give no spread
REMEDY = "fit it with configs/fit_typing.yaml, or pass another --typing_file"


class LogitDistribution(NamedTuple):
    """Gaussian of the foreground logits, less the background's, in the foreground of one type's training cases."""

    cases: int
    mean: np.ndarray  # (classes,)
    covariance: np.ndarray  # (classes, classes)


def joint_moments(sums: Mapping[int, MomentSums], class_ids: Sequence[int]) -> MomentSums | None:
    """The moments of the voxels that were given any of some classes; None without such a voxel."""
    chosen = [sums[number] for number in class_ids if number in sums]
    if not chosen:
        return None
    logits = np.sum([one.logits for one in chosen], axis=0)
    return MomentSums(
        sum(one.voxels for one in chosen), logits.tolist(), np.sum([one.products for one in chosen], axis=0).tolist()
    )


def mean_and_square(moments: MomentSums) -> tuple[np.ndarray, np.ndarray]:
    """Mean (classes,) and mean product (classes, classes) of a scan's logits."""
    return np.asarray(moments.logits) / moments.voxels, np.asarray(moments.products) / moments.voxels


def fit_distribution(cases: Sequence[MomentSums]) -> LogitDistribution:
    """The distribution of a type over its training cases, each of which weighs the same, whatever its lesion's size."""
    means, squares = zip(*map(mean_and_square, cases), strict=True)
    mean = np.mean(means, axis=0)
    covariance = np.mean(squares, axis=0) - np.outer(mean, mean)
    ridge = RIDGE * max(float(np.trace(covariance)) / len(mean), RIDGE)
    return LogitDistribution(len(cases), mean, covariance + ridge * np.eye(len(mean)))


def log_likelihood(moments: MomentSums, distribution: LogitDistribution) -> float:
    """The mean log-likelihood of a scan's voxels under a type's Gaussian, which the scan's moments suffice for."""
    mean, square = mean_and_square(moments)
    shift = np.outer(mean, distribution.mean)
    spread = square - shift - shift.T + np.outer(distribution.mean, distribution.mean)
    distance = float(np.trace(np.linalg.solve(distribution.covariance, spread)))
    determinant = float(np.linalg.slogdet(distribution.covariance)[1])
    return -(distance + determinant + len(mean) * math.log(2 * math.pi)) / 2


def type_probabilities(moments: MomentSums, distributions: Mapping[str, LogitDistribution]) -> dict[str, float]:
    """The probability of each type, all equally frequent beforehand.

    The voxels of a lesion are anything but independent: all of them count as one observation, the geometric mean.
    """
    scores = np.array([log_likelihood(moments, one) for one in distributions.values()])
    weights = np.exp(scores - scores.max())
    return dict(zip(distributions, (weights / weights.sum()).tolist(), strict=True))


def write_distributions(
    file: str | Path, class_names: Sequence[str], distributions: Mapping[str, LogitDistribution]
) -> None:
    """Write fitted distributions as JSON."""
    types = {
        name: {"cases": one.cases, "mean": one.mean.tolist(), "covariance": one.covariance.tolist()}
        for name, one in distributions.items()
    }
    write_json(Path(file), {"classes": list(class_names), "types": types})


def read_distributions(file: str | Path, class_names: Sequence[str]) -> dict[str, LogitDistribution]:
    """The distributions in a file.

    Raises InputError: there is no such file, or it is no such fit, or that of a network for other classes.
    """
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
        known = list(content["classes"])
        types = {str(name): _distribution(one, len(known)) for name, one in content["types"].items()}
    except OSError as error:
        raise InputError(f"{file}: no distributions of types to read ({error.strerror}); {REMEDY}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{file}: holds no distributions of types; {REMEDY}") from error
    if known != list(class_names):
        raise InputError(f"{file}: is for the classes {', '.join(known)}, not {', '.join(class_names)}; {REMEDY}")
    return types


def _distribution(content: Mapping[str, object], classes: int) -> LogitDistribution:
    mean, covariance = (np.asarray(content[key], dtype=float) for key in ("mean", "covariance"))
    if mean.shape != (classes,) or covariance.shape != (classes, classes) or not np.isfinite(covariance).all():
        raise ValueError
    return LogitDistribution(int(str(content["cases"])), mean, covariance)
