"""Who annotated what: the paper's four groups, and the kinds of study that make up its third."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...cohort.manifest import FLARE_DATASET2
from ...cohort.simulated_partial_labels import largest_remainder
from .organs import CLASSES, ORGAN_ID, ORGANS

PAPER_CASES = {"dataset1": 222, "dataset2": 597, "dataset3": 1381, "dataset4": 1800}
KIDNEYS = ("right_kidney", "left_kidney")


@dataclass(frozen=True)
class Study:
    """A source of cases that share what is annotated in them."""

    source: str
    annotated: tuple[str, ...]


ORGAN_STUDY = Study("phantom abdominal organ study", ORGANS)
TUMOUR_STUDY = Study("phantom abdominal tumour study", FLARE_DATASET2)
SCREENING = Study("phantom scans without annotation", ())
READING = Study("phantom validation", CLASSES)
# annotated as public data sets of these subjects are; none has the classes of the two studies above
PARTIAL_STUDIES = (
    Study("phantom liver tumour study", ("liver", "tumour")),
    Study("phantom kidney tumour study", (*KIDNEYS, "tumour")),
    Study("phantom spleen study", ("spleen",)),
    Study("phantom pancreatic tumour study", ("pancreas", "tumour")),
    Study("phantom large organ study", ("liver", "spleen", *KIDNEYS)),
    Study("phantom great vessel study", ("aorta", "inferior_vena_cava")),
    Study("phantom liver study", ("liver",)),
    Study("phantom adrenal study", ("right_adrenal", "left_adrenal", *KIDNEYS)),
    Study("phantom digestive tract study", ("oesophagus", "stomach", "duodenum", "pancreas")),
    Study("phantom biliary study", ("liver", "gallbladder", "pancreas", "duodenum")),
)


def draw_studies(count: int, seed: int) -> list[Study]:
    """The study that each of `count` cases comes from: the paper's proportions, in an order drawn by `seed`.

    The kinds of partial study take turns, beginning with one drawn by `seed`.
    """
    rng = np.random.default_rng(seed)
    first = int(rng.integers(len(PARTIAL_STUDIES)))
    sizes = group_sizes(count)
    partial = [PARTIAL_STUDIES[(first + turn) % len(PARTIAL_STUDIES)] for turn in range(sizes["dataset3"])]
    studies = [ORGAN_STUDY] * sizes["dataset1"] + [TUMOUR_STUDY] * sizes["dataset2"]
    studies += partial + [SCREENING] * sizes["dataset4"]
    return [studies[place] for place in rng.permutation(count)]


def group_sizes(count: int) -> dict[str, int]:
    """`count` cases in the paper's proportions, one of each group where there are four."""
    sizes = dict(zip(PAPER_CASES, largest_remainder(list(PAPER_CASES.values()), count), strict=True))
    while count >= len(sizes) and min(sizes.values()) == 0:
        sizes[min(sizes, key=lambda name: sizes[name])] += 1
        sizes[max(sizes, key=lambda name: sizes[name])] -= 1
    return sizes


def annotate(label: np.ndarray, organs: np.ndarray, annotated: Sequence[str]) -> np.ndarray:
    """The label map (uint8) of a study: a class that it does not annotate is background in it.

    Args:
        label: complete map, ids of `CLASSES`.
        organs: the same without tumours. Who annotates a host but no tumours marks the host through them.
        annotated: names of classes.
    """
    wanted = [ORGAN_ID[name] for name in annotated]
    partial = np.where(np.isin(organs, wanted), organs, np.uint8(0))
    if "tumour" in annotated:
        partial[label == ORGAN_ID["tumour"]] = ORGAN_ID["tumour"]
    return partial
