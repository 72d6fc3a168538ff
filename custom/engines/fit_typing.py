"""The distributions of logits of lesion types, fitted to the cases of a training."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from ignite.engine import Engine
from monai.utils import CommonKeys, convert_to_numpy

from ..data.typed_datalist import label_type
from ..errors import InputError
from ..inferers.logit_moments import MomentSums
from ..inferers.retype_lesions import type_ids
from ..inferers.type_distributions import fit_distribution, joint_moments, write_distributions
from ..io.write_errors import reporting_unwritable
from .fit_to_cases import FitToCases

logger = logging.getLogger(__name__)


class FitTyping(FitToCases):
    """Collect each case's logits under its true type, and write the types' distributions when the engine completes.

    A case's true type is the type that most voxels of its label have; its logits are those of the voxels that the
    network gives any type, as in a scan without label.

    Args:
        file: written.
        inferer: keeps the moments of the last case in its `report`, see `RetypeLesionsd`.
        class_names: the foreground classes, in the order of their ids.
        types: those of them that are types of lesions; None: all.
    """

    what = "the distribution of each type"

    def __init__(self, file: str, inferer: Any, class_names: Sequence[str], types: Sequence[str] | None) -> None:
        super().__init__(file, inferer)
        self.class_names = list(class_names)
        self.types = types

    def start(self, engine: Engine) -> None:
        """As `FitToCases`; also refuses fewer than two types."""
        super().start(engine)
        self.ids = type_ids(self.class_names, self.types)

    def collect(self, engine: Any) -> tuple[str, MomentSums] | None:
        """The true type and the moments of the logits."""
        label, ids = convert_to_numpy(engine.state.output[0][CommonKeys.LABEL]), list(self.ids.values())
        true = label_type({number: count for number in ids if (count := int(np.count_nonzero(label == number)))})
        moments = joint_moments(self.inferer.report["logit_moments"], ids)
        return (self.class_names[true - 1], moments) if true and moments is not None else None

    def write(self, _: Engine) -> None:
        """Write the distribution of each type that was found."""
        by_type: dict[str, list[MomentSums]] = defaultdict(list)
        for name, moments in filter(None, self.cases):
            by_type[name].append(moments)
        if len(by_type) < 2:
            raise InputError(
                f"the network found lesions of {len(by_type)} of the types {', '.join(self.ids)} in the training "
                "cases; fit distributions with weights that find at least two"
            )
        distributions = {name: fit_distribution(by_type[name]) for name in self.ids if name in by_type}
        with reporting_unwritable(self.file, "pass another --typing_file"):
            write_distributions(self.file, self.class_names, distributions)
        counts = ", ".join(f"{name} {one.cases}" for name, one in distributions.items())
        lacking = [name for name in self.ids if name not in by_type]
        logger.info("%s: distributions of logits fitted to cases: %s", self.file, counts)
        if lacking:
            logger.warning("no training case of %s with a predicted lesion: never chosen", ", ".join(lacking))
