"""Whether a scan may be mirrored left to right: not where classes differ by their side alone."""

import re
from collections.abc import Sequence

SIDES = {"left": "left", "l": "left", "lt": "left", "right": "right", "r": "right", "rt": "right"}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def paired_by_side(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of class names that differ in left and right alone, as (left, right).

    The side is a word of its own, in any place and spelling that separates words, or a letter.

    >>> paired_by_side(["left_kidney", "Kidney (R)", "parotid_left", "ParotidRight", "liver"])
    [('left_kidney', 'Kidney (R)'), ('parotid_left', 'ParotidRight')]
    """
    sided = [(name, *found) for name in classes if (found := _side(name))]
    return [
        (left, right)
        for left, left_side, left_words in sided
        for right, right_side, right_words in sided
        if (left_side, right_side) == ("left", "right") and left_words == right_words
    ]


def mirror_axes(orientation: str, classes: Sequence[str]) -> list[int]:
    """Axes along which patches are mirrored: all, without left-right where classes come in pairs by side."""
    paired = bool(paired_by_side(classes))
    return [axis for axis, code in enumerate(orientation) if not (paired and code in "LR")]


def _side(name: str) -> tuple[str, tuple[str, ...]] | None:
    """Side and the other words; None for a name without exactly one side, or without anything else."""
    words = [word.lower() for word in WORD.findall(name)]
    sides = [SIDES[word] for word in words if word in SIDES]
    others = tuple(word for word in words if word not in SIDES)
    return (sides[0], others) if len(sides) == 1 and others else None
