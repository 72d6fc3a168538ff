"""Whether one method scores better than another on the same patients."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999


class PairedComparison(NamedTuple):
    """A method against a reference: mean difference, its bootstrap interval, and p of Wilcoxon's signed-rank test."""

    patients: int
    difference: float
    low: float
    high: float
    p_value: float


def compare_paired(scores: Sequence[float], reference: Sequence[float]) -> PairedComparison:
    """Compare two methods' scores of the same patients, one score a patient, in the same order.

    The interval is the percentile bootstrap's over patients, of 95 %. The test is two-sided and leaves equal scores
    out. With one patient there is neither: nan.

    Args:
        scores, reference: (patients,).
    """
    difference = np.asarray(scores, dtype=float) - np.asarray(reference, dtype=float)
    mean = float(difference.mean()) if len(difference) else np.nan
    if len(difference) < 2:
        return PairedComparison(len(difference), mean, np.nan, np.nan, np.nan)
    values = tuple(difference.tolist())
    return PairedComparison(len(values), mean, *mean_interval(values), signed_rank_p(values))


# Both are cached: a study tests again after each of its runs and for its page. Of up to 13 patients with
# ties scipy's exact test takes up to a second, of 120 the interval 0.02 s, and there are hundreds.
@lru_cache(maxsize=10_000)
def mean_interval(values: tuple[float, ...]) -> tuple[float, float]:
    """Low and high end of the percentile bootstrap's interval of the mean, of 95 %, in the unit of the values."""
    interval = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


@lru_cache(maxsize=10_000)
def signed_rank_p(difference: tuple[float, ...]) -> float:
    """P of Wilcoxon's signed-rank test, two-sided; 1 where all differences are 0."""
    return float(stats.wilcoxon(difference).pvalue) if any(difference) else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for their number (Holm 1979), in the same order; nan stays nan and does not count.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=float)
    order = [place for place in np.argsort(values) if not np.isnan(values[place])]
    adjusted, largest = values.copy(), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted.tolist()
