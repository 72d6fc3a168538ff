"""A confidence of a whole case that means what it says: softmax at a temperature fitted to held-out cases.

A case's confidence is the mean of the largest probability over its predicted foreground. It is calibrated when it is
the share of these voxels that are right; Guo et al. (2017) fit one temperature, by which logits are divided, for that.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..io.atomic_write import write_json

TEMPERATURES: tuple[float, ...] = tuple(np.geomspace(0.25, 16, 49).round(4).tolist())  # those that are tried
REMEDY = "fit one with configs/fit_temperature.yaml, or pass another --temperature_file"


class TemperedConfidence:
    """Mean of the largest probability over the predicted foreground at some temperatures, from parts of an image."""

    def __init__(self, temperatures: Sequence[float]) -> None:
        self.temperatures = list(temperatures)
        self.totals = [0.0] * len(self.temperatures)
        self.voxels = 0

    def add(self, scores: torch.Tensor, labels: torch.Tensor) -> None:
        """Take in the logits (classes, ...) of some voxels, background first, and the classes given to them (...)."""
        chosen = scores[:, labels > 0]
        self.voxels += chosen.shape[1]
        for number, temperature in enumerate(self.temperatures):
            self.totals[number] += float((chosen / temperature).softmax(dim=0).amax(dim=0).sum())

    def means(self) -> list[float] | None:
        """The mean at each temperature; None without foreground."""
        return [total / self.voxels for total in self.totals] if self.voxels else None


def fit_temperature(confidences: np.ndarray, correct: np.ndarray) -> float:
    """The one of `TEMPERATURES` at which cases' confidences are nearest to the shares of voxels that are right.

    Nearest in cross-entropy, which weighs a wrong certainty most.

    Args:
        confidences: (cases, temperatures), of all `TEMPERATURES`.
        correct: (cases,), shares from 0 to 1.
    """
    p, right = np.clip(confidences, 1e-6, 1 - 1e-6), np.asarray(correct)[:, None]
    cross_entropy = -(right * np.log(p) + (1 - right) * np.log(1 - p)).mean(axis=0)
    return TEMPERATURES[int(cross_entropy.argmin())]


def write_temperature(file: str | Path, temperature: float, cases: int, options: Mapping[str, Any]) -> None:
    """Write a fitted temperature as JSON, with the options by which the cases were labelled."""
    write_json(Path(file), {"temperature": temperature, "cases": cases, "options": dict(options)})


def read_temperature(file: str | Path, options: Mapping[str, Any]) -> float:
    """The temperature in a file. Raises InputError: there is none, or it was fitted with other options."""
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
        value, fitted = float(content["temperature"]), dict(content["options"])
    except OSError as error:
        raise InputError(f"{file}: no temperature to read ({error.strerror}); {REMEDY}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: holds no temperature; {REMEDY}") from error
    if not 0 < value < np.inf:
        raise InputError(f"{file}: holds the temperature {value:g}, which must be above 0; {REMEDY}")
    for name, given in options.items():
        if fitted.get(name) != given:
            raise InputError(
                f"{file}: fitted with {name} {fitted.get(name)}, this run has {given}; pass the same, or {REMEDY}"
            )
    return value
