"""Which pseudo-labels to look at first: cases that are unlike the annotated ones or of which the model was unsure."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..fingerprint.label_statistics import LabelStatistics
from .drawing import class_name
from .text_table import write_csv

REVIEW_FILE = "suspicious.csv"
VOLUME, MISSING, CONFIDENCE, COMPONENTS = "volume", "missing", "low confidence", "many components"
UNREADABLE = "unreadable"
COLUMNS = ("case", "class", "reason", "value", "expected", "severity")

MOST_Z = 3.5  # a volume further than that many robust spreads from the centre is suspicious
MOSTLY_PRESENT = 0.9  # an organ that at least this part of the annotated cases have should be there
LEAST_CONFIDENCE = 0.6  # that is not suspicious
USUAL_COMPONENTS = 3.0  # never suspicious, nor as many as the 95th percentile of the annotated cases
LESION_TIMES = 2.0  # lesions above that many times the 95th percentile of the annotated volumes are too large
LEAST_CASES = 5  # annotated, from which on volumes and presence are judged
ABSENT_ML = 0.1  # what a missing class, or a smaller one, counts as
MIN_SPREAD = 0.2  # of ln(volume), for few or very equal cases: twice the median is then never 3.5 spreads away

_Finding = tuple[str, float, str, float]  # reason, value, expected, severity
_MAD_TO_SD = 1.4826  # median absolute deviation -> standard deviation of a normal distribution


@dataclass(frozen=True)
class ClassDistribution:
    """A class in the cases that are annotated for it.

    `cases` counts these, `share_present` is the part of them that has the class. Over the cases that have it:
    `log_volume` is the median of ln(volume in ml), `log_spread` its robust standard deviation (1.4826 MAD, with a
    floor), `large_ml` the 95th percentile of the volume, `many_components` that of the number of components. The
    latter four are nan where no case has it.
    """

    cases: int
    share_present: float
    log_volume: float
    log_spread: float
    large_ml: float
    many_components: float


@dataclass(frozen=True)
class Suspicion:
    """One reason to look at a case; `severity` is 1 at the threshold of its reason and grows from there."""

    case: str
    class_name: str
    reason: str
    value: float | None
    expected: str
    severity: float

    @property
    def caption(self) -> str:
        """The suspicion in a few words, for a picture."""
        if self.reason == UNREADABLE:
            return "the label cannot be read"
        if self.reason == MISSING:
            return f"{self.class_name} missing"
        value = self.value or 0.0
        volume = f"{_rounded(value)} ml, usually {self.expected}"
        text = {VOLUME: volume, CONFIDENCE: f"confidence {value:.2f}", COMPONENTS: f"{value:.0f} components"}
        return f"{self.class_name}: {text[self.reason]}"


def annotated_distribution(cases: Iterable[tuple[LabelStatistics, Collection[int]]]) -> dict[int, ClassDistribution]:
    """Class id -> its volumes and components in the annotated cases.

    Each case has its label's statistics and the ids annotated in it; one with a problem is left out.
    """
    volumes: dict[int, list[float]] = {}
    components: dict[int, list[int]] = {}
    for label, annotated in cases:
        for class_id in () if label.problem else annotated:
            volumes.setdefault(class_id, []).append(label.volumes_ml.get(class_id, 0.0))
            components.setdefault(class_id, []).append(label.components.get(class_id, 0))
    return {c: _distribution(np.array(volumes[c]), np.array(components[c])) for c in sorted(volumes)}


def _distribution(volumes_ml: np.ndarray, components: np.ndarray) -> ClassDistribution:
    present = volumes_ml > 0
    share = float(present.mean())
    if not present.any():
        return ClassDistribution(len(volumes_ml), share, math.nan, math.nan, math.nan, math.nan)
    logs = np.log(volumes_ml[present])
    centre = float(np.median(logs))
    return ClassDistribution(
        cases=len(volumes_ml),
        share_present=share,
        log_volume=centre,
        log_spread=max(_MAD_TO_SD * float(np.median(np.abs(logs - centre))), MIN_SPREAD),
        large_ml=float(np.percentile(volumes_ml[present], 95)),
        many_components=float(np.percentile(components[present], 95)),
    )


def suspicions(
    label: LabelStatistics,
    confidence: Mapping[int, float],
    distribution: Mapping[int, ClassDistribution],
    class_names: Sequence[str],
    lesions: Collection[int] = (),
    classes: Collection[int] | None = None,
) -> list[Suspicion]:
    """What is suspicious about the pseudo-label of one case, the most severe first.

    The severities can be compared: each is 1 at its threshold. An absent organ counts as one of `ABSENT_ML`, so that
    a missing liver comes before a missing adrenal gland and before a liver of half its size.

    Args:
        confidence: class id -> mean largest probability over the voxels given that class, where known.
        distribution: of the annotated cases, from `annotated_distribution`.
        lesions: ids of classes of which only a low confidence and an implausibly large volume are suspicious.
        classes: the ids to examine; by default all of `label`.
    """
    if label.problem:
        return [Suspicion(label.name, "", UNREADABLE, None, label.problem, math.inf)]
    found: list[Suspicion] = []
    for class_id in label.volumes_ml if classes is None else classes:
        name = class_name(class_id, class_names)
        volume = label.volumes_ml.get(class_id, 0.0)
        usual = distribution.get(class_id)
        if usual is not None and round(usual.cases * usual.share_present) < LEAST_CASES:
            usual = None
        checks = [_unsure(volume, confidence.get(class_id, math.nan))]
        if class_id in lesions:
            checks += [_large_lesion(volume, usual)]
        else:
            checks += [_unusual_volume(volume, usual), _in_pieces(label.components.get(class_id, 0), usual)]
        found += [Suspicion(label.name, name, *check) for check in checks if check is not None]
    return sorted(found, key=lambda one: -one.severity)


def _unsure(volume_ml: float, confidence: float) -> _Finding | None:
    if volume_ml == 0 or not confidence < LEAST_CONFIDENCE:  # nan: not known
        return None
    return CONFIDENCE, confidence, f"at least {LEAST_CONFIDENCE:g}", (1 - confidence) / (1 - LEAST_CONFIDENCE)


def _unusual_volume(volume_ml: float, usual: ClassDistribution | None) -> _Finding | None:
    if usual is None:
        return None
    most = MOST_Z * usual.log_spread
    low, high = math.exp(usual.log_volume - most), math.exp(usual.log_volume + most)
    expected = f"{_rounded(low)} to {_rounded(high)} ml"
    severity = abs(math.log(max(volume_ml, ABSENT_ML)) - usual.log_volume) / most
    if volume_ml == 0:
        return (MISSING, 0.0, expected, max(severity, 1.0)) if usual.share_present >= MOSTLY_PRESENT else None
    return (VOLUME, volume_ml, expected, severity) if severity > 1 else None


def _large_lesion(volume_ml: float, usual: ClassDistribution | None) -> _Finding | None:
    if usual is None or volume_ml <= LESION_TIMES * usual.large_ml:
        return None
    limit = LESION_TIMES * usual.large_ml
    return VOLUME, volume_ml, f"at most {_rounded(limit)} ml", 1 + math.log(volume_ml / limit)


def _in_pieces(components: int, usual: ClassDistribution | None) -> _Finding | None:
    most = USUAL_COMPONENTS if usual is None else max(USUAL_COMPONENTS, usual.many_components)
    if components <= most:
        return None
    return COMPONENTS, components, f"at most {most:.3g}", 1 + math.log(components / most)


def ranked_by_case(rows: Iterable[Suspicion]) -> dict[str, list[Suspicion]]:
    """Case -> its suspicions, the most severe first; the case with the most severe one first.

    Of equally severe cases that with more severity in all, then by name.
    """
    cases: dict[str, list[Suspicion]] = {}
    for row in rows:
        cases.setdefault(row.case, []).append(row)
    for own in cases.values():
        own.sort(key=lambda row: (-row.severity, row.class_name, row.reason))
    order = sorted(cases, key=lambda name: (-cases[name][0].severity, -sum(r.severity for r in cases[name]), name))
    return {name: cases[name] for name in order}


def write_review(folder: str | Path, rows: Iterable[Suspicion]) -> int:
    """Write `suspicious.csv` into `folder`, atomically: one row a suspicion, case by case as `ranked_by_case`.

    Returns the number of cases.
    """
    cases = ranked_by_case(rows)
    cells = []
    for row in (row for own in cases.values() for row in own):
        value = None if row.value is None else f"{row.value:.4g}"
        values = (row.case, row.class_name, row.reason, value, row.expected, f"{row.severity:.2f}")
        cells.append(dict(zip(COLUMNS, values, strict=True)))
    write_csv(Path(folder) / REVIEW_FILE, cells, COLUMNS)
    return len(cases)


def _rounded(volume_ml: float) -> str:
    """Whole ml, below 10 ml two digits: more would claim a precision that no volume has."""
    return f"{volume_ml:.0f}" if volume_ml >= 10 else f"{volume_ml:.2g}"
