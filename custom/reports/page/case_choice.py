"""Which cases a page shows: of every method the best, the median and the worst, or more in between."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...io.json_file import read_json
from .results import INDEX, Method


@dataclass
class ShownCase:
    """A case, why it is shown, and its files: scan, truth and the prediction of each method that kept one."""

    name: str
    reasons: list[str] = field(default_factory=list)
    image: str = ""
    label: str = ""
    predictions: dict[str, Path] = field(default_factory=dict)


def choose_cases(
    methods: Mapping[str, Mapping[str, float]], count: int, kept: Mapping[str, Collection[str]]
) -> dict[str, list[str]]:
    """Case -> why it is shown; `count` cases a method, evenly spread from the worst to the best of all that it scored.

    Where the label map of one was not kept, the one nearest in rank is shown and called so, unless it is shown already.
    The worst of all methods come first, then the best, then those between.

    Args:
        methods: name -> case -> score, the higher the better.
        count: of each method.
        kept: name -> cases of which the method's label map was kept.

    >>> choose_cases({"a": {"x": 0.1, "y": 0.5, "z": 0.9}}, 3, {"a": "xyz"})
    {'x': ['worst of a'], 'z': ['best of a'], 'y': ['median of a']}
    >>> choose_cases({"a": {"x": 0.1, "y": 0.5, "z": 0.9}}, 3, {"a": "xz"})
    {'x': ['worst of a'], 'z': ['best of a']}
    """
    chosen: dict[str, list[str]] = {}
    shown: set[tuple[str, str]] = set()
    places = np.linspace(0, 1, count) if count > 1 else np.zeros(count)
    for place in sorted(places, key=lambda one: (one not in (0, 1), one)):
        name = {0.0: "worst", 0.5: "median", 1.0: "best"}.get(place, "")
        exact, near = (name, f"near the {name}") if name else (2 * (f"{100 * place:.0f} % of the way up",))
        for method, scores in methods.items():
            ranked = sorted(scores, key=lambda case: (scores[case], case))
            wanted = int(np.floor(place * (len(ranked) - 1)))
            ranks = [rank for rank, case in enumerate(ranked) if case in kept.get(method, ())]
            if ranks:
                nearest = min(ranks, key=lambda rank: abs(rank - wanted))
                case, words = ranked[nearest], exact if nearest == wanted else near
                if nearest == wanted or (method, case) not in shown:
                    chosen.setdefault(case, []).append(f"{words} of {method}")
                    shown.add((method, case))
    return chosen


def kept_cases(methods: tuple[Method, ...]) -> dict[str, ShownCase]:
    """Case -> its files, of every case of which any method kept a prediction; that of the first seed counts.

    Raises InputError: a list of them is damaged.
    """
    cases: dict[str, ShownCase] = {}
    for method in methods:
        for folder in method.evaluations:
            for name, files in read_json(folder / INDEX, {}).items():
                if not isinstance(files, dict) or not {"image", "label", "prediction"} <= files.keys():
                    raise InputError(f"{folder / INDEX}: {name} lacks a file; restore or remove the list")
                case = cases.setdefault(name, ShownCase(name, [], files["image"], files["label"]))
                case.predictions.setdefault(method.name, folder / files["prediction"])
    return cases
