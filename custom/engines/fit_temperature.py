"""The temperature at which confidences of held-out cases are calibrated."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from ignite.engine import Engine
from monai.utils import CommonKeys, convert_to_numpy

from ..errors import InputError
from ..inferers.temperature import TEMPERATURES, fit_temperature, write_temperature
from ..io.write_errors import reporting_unwritable
from .fit_to_cases import FitToCases

logger = logging.getLogger(__name__)


class FitTemperature(FitToCases):
    """Collect confidence and share of right voxels of each held-out case, and write the temperature that fits them.

    Args:
        file: written.
        inferer: a `StreamingSlidingWindowInferer(temperatures=TEMPERATURES)`, with its `report` of the last case.
        fold: which cases are held out; "all", none, is refused.
        options: by which the cases are labelled, such as `mirrored`; an inference is to have the same.
    """

    what = "a temperature"

    def __init__(self, file: str, inferer: Any, fold: int | str, options: Mapping[str, Any]) -> None:
        super().__init__(file, inferer)
        self.fold = fold
        self.options = options

    def start(self, engine: Engine) -> None:
        """As `FitToCases`; also refuses weights that no case was held out from."""
        super().start(engine)
        if self.fold == "all":
            raise InputError(
                "a temperature is fitted to held-out cases, of which fold all has none; pass other weights"
            )

    def collect(self, engine: Any) -> tuple[list[float], float] | None:
        """Mean confidence of the foreground at each temperature, and the share of its voxels that are right."""
        output = engine.state.output[0]
        prediction, label = (convert_to_numpy(output[key])[0] for key in (CommonKeys.PRED, CommonKeys.LABEL))
        confidences = self.inferer.report["tempered_confidence"]
        found = prediction > 0
        right = float(np.mean(prediction[found] == label[found])) if found.any() else None
        return None if confidences is None or right is None else (confidences, right)

    def write(self, _: Engine) -> None:
        """Write the temperature that fits, with the number of cases."""
        cases = [one for one in self.cases if one is not None]
        if not cases:
            raise InputError("no held-out case has any predicted foreground: a temperature has nothing to fit to")
        confidences, correct = (np.array(one) for one in zip(*cases, strict=True))
        temperature = fit_temperature(confidences, correct)
        with reporting_unwritable(self.file, "pass another --temperature_file"):
            write_temperature(self.file, temperature, len(cases), self.options)
        before, after = (confidences[:, TEMPERATURES.index(one)].mean() for one in (1.0, temperature))
        what = "%s: temperature %g of %d cases; mean confidence %.3f -> %.3f, right voxels %.3f"
        logger.info(what, self.file, temperature, len(cases), before, after, correct.mean())
