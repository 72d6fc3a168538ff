"""The best, the median and the worst case of an evaluation as one picture."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from monai.utils import CommonKeys, convert_to_numpy

from ..geometry.canonical_axes import to_ras
from ..processes import gathered, is_first, rank
from ..reports.case_picture import CasePicture, draw_cases, slice_case
from .metrics_report import case_file, unique_case_names, voxel_confusion

logger = logging.getLogger(__name__)

MOST_CASES = 32


@dataclass(frozen=True, eq=False)
class ScoredCase:
    """A picture and its Dice."""

    score: float
    picture: CasePicture  # its name is the case's file


class CaseGallery:
    """Draw scan, truth, prediction and distance field of an evaluation's best, median and worst case.

    Cases are ranked by their mean Dice over the classes that their truth has; a case without foreground is not ranked.
    With one case it alone is shown, with two the best and the worst; the median of an even number is the lower one.

    Of at most `MOST_CASES` one slice is kept (512 x 256 pixels: 0.7 MB): the best, the worst and those nearest to the
    median so far. Beyond that many cases the picture shows the one kept that is nearest to the true median and says so.
    With several processes each ranks against the scores of all and sends its three slices to the first, which draws.

    The evaluator's output holds "image" (C, X, Y, Z), of which the first channel is shown, and "label" and "pred" on
    the same grid, class ids (1, X, Y, Z). Grids with an affine are turned to RAS for the picture.

    Args:
        class_names: the foreground classes, ids 1, 2, ...
        distance_field: from the true class ids (1, X, Y, Z) to the field (K, X, Y, Z) in 0..1 to show, for instance
            `custom.transforms.SurfaceDistanceField`.
    """

    def __init__(
        self,
        picture_file: str | Path,
        class_names: Sequence[str],
        distance_field: Callable[[torch.Tensor], Any] | None = None,
    ) -> None:
        self.picture_file = Path(picture_file)
        self.class_names = list(class_names)
        self.distance_field = distance_field
        self.scores: list[float] = []
        self.kept: list[ScoredCase] = []
        self.unranked = 0

    def attach(self, engine: Engine) -> None:
        """Follow every epoch of the evaluator."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._draw)

    def _start(self, _: Engine) -> None:
        self.scores, self.kept, self.unranked = [], [], 0

    def collect(self, engine: Any) -> None:
        """Score the cases of an iteration, and keep their slices where they may be shown."""
        for output in engine.state.output:
            self._take(output)

    def _take(self, output: Mapping[str, Any]) -> None:
        name = case_file(output) or f"process {rank()}, case {len(self.scores) + self.unranked + 1}"
        truth, prediction = (output[key].round().to(torch.int16) for key in (CommonKeys.LABEL, CommonKeys.PRED))
        score = mean_dice(truth, prediction, len(self.class_names))
        if np.isnan(score):
            self.unranked += 1
            return
        self.scores.append(score)
        # Slicing a case and computing its field takes longer than scoring it: leave it where it would not be kept.
        kept = keep_nearest([*(case.score for case in self.kept), score], self.scores, MOST_CASES)
        if len(self.kept) in kept:
            self.kept.append(ScoredCase(score, self._slice(name, output, truth, prediction)))
            self.kept = [self.kept[i] for i in kept]

    def _slice(
        self, name: str, output: Mapping[str, Any], truth: torch.Tensor, prediction: torch.Tensor
    ) -> CasePicture:
        image = output[CommonKeys.IMAGE]
        volumes = [image[0], truth[0], prediction[0]]
        if self.distance_field is not None:
            volumes.append(torch.amax(torch.as_tensor(self.distance_field(truth)), dim=0))
        affine = image.affine.numpy() if isinstance(image, MetaTensor) else np.eye(4)
        turned = [to_ras(convert_to_numpy(torch.as_tensor(volume).float()), affine) for volume in volumes]
        (scan, spacing), (true, _), (predicted, _), *field = turned
        return slice_case(name, scan, true, predicted, spacing, field[0][0] if field else None)

    def _draw(self, _: Engine) -> None:
        scores = [score for part in _of_all(self.scores) for score in part]
        own = [self.kept[i] for i in choose([case.score for case in self.kept], scores).values()]
        every = {(case.picture.name, case.score): case for part in _of_all(own) for case in part}
        if not is_first():
            return
        if not every:
            logger.warning("%s: not drawn, no case with foreground was evaluated", self.picture_file)
            return
        candidates = list(every.values())
        chosen = {caption: candidates[i] for caption, i in choose([case.score for case in candidates], scores).items()}
        names = unique_case_names([case.picture.name for case in chosen.values()])
        pictures = [
            replace(case.picture, name=name, caption=f"{caption}, Dice {case.score:.2f}")
            for name, (caption, case) in zip(names, chosen.items(), strict=True)
        ]
        try:
            draw_cases(pictures, self.picture_file, self.class_names)
        except OSError as error:
            logger.warning("%s: not drawn (%s)", self.picture_file, error)


def mean_dice(truth: torch.Tensor, prediction: torch.Tensor, classes: int) -> float:
    """Mean Dice over the foreground classes that the truth has, nan where it has none.

    Voxels whose id is none of the classes, in either, do not count.
    """
    table = voxel_confusion(truth, prediction, classes)[:-1, :-1].double()
    sizes = table.sum(dim=1)
    dice = 2 * table.diagonal() / (sizes + table.sum(dim=0))
    return float(dice[1:][sizes[1:] > 0].mean())


def median_low(scores: Sequence[float]) -> float:
    """The median, of an even number the lower of the middle two, so that some case has it."""
    return sorted(scores)[(len(scores) - 1) // 2]


def keep_nearest(kept: Sequence[float], scores: Sequence[float], most: int) -> list[int]:
    """Indices, in order, of at most `most` of the kept scores: the best, the worst, then those nearest the median."""
    if len(kept) <= most:
        return list(range(len(kept)))
    order = np.argsort(kept, kind="stable")
    median = median_low(scores)
    middle = sorted(order[1:-1], key=lambda i: abs(kept[i] - median))
    return sorted(int(i) for i in (order[0], order[-1], *middle[: most - 2]))


def choose(kept: Sequence[float], scores: Sequence[float]) -> dict[str, int]:
    """Captions and indices, best first, of the best, the median and the worst of the kept scores among `scores`.

    No case comes twice: one alone is "only case", of two there is no median.
    """
    if not kept:
        return {}
    order = [int(i) for i in np.argsort(kept, kind="stable")]
    if len(order) == 1:
        return {"only case": order[0]}
    chosen = {"best": order[-1]}
    if len(order) > 2:
        median = median_low(scores)
        nearest = min(order[1:-1], key=lambda i: abs(kept[i] - median))
        chosen["median" if kept[nearest] == median else "near the median"] = nearest
    chosen["worst"] = order[0]
    return chosen


def _of_all(own: list[Any]) -> Iterable[list[Any]]:
    """The lists of all processes."""
    return gathered({str(rank()): own}).values()
