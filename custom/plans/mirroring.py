"""Whether a scan may be mirrored left to right: not where a class belongs to one side of the body."""

import re
from collections.abc import Sequence

SIDES = {
    **dict.fromkeys(("left", "l", "lt", "lh"), "left"),  # lh: the left hemisphere
    **dict.fromkeys(("right", "r", "rt", "rh"), "right"),
}
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def paired_by_side(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of class names that differ in left and right alone, as (left, right).

    The side is a word of its own, in any place and spelling that separates words, or a letter; that of "lkidney" only
    where there is an "rkidney".

    >>> paired_by_side(["left_kidney", "Kidney (R)", "parotid_left", "ParotidRight", "liver", "lad", "Rad"])
    [('left_kidney', 'Kidney (R)'), ('parotid_left', 'ParotidRight'), ('lad', 'Rad')]
    """
    sided = _sided(classes)
    return [
        (left, right)
        for left, left_side, left_words in sided
        for right, right_side, right_words in sided
        if (left_side, right_side) == ("left", "right") and left_words == right_words
    ]


def mirror_axes(orientation: str, classes: Sequence[str]) -> list[int]:
    """Axes along which patches are mirrored: all, without left-right where a class belongs to one side.

    Mirrored, its twin would be taught as the class, labelled or not.
    """
    sided = bool(_sided(classes))
    return [axis for axis, code in enumerate(orientation) if not (sided and code in "LR")]


def one_sided(classes: Sequence[str]) -> list[str]:
    """The classes that belong to one side of the body, by their names."""
    return [name for name, _, _ in _sided(classes)]


def _sided(classes: Sequence[str]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, side and the other words of each class that has a side."""
    found = [(name, _side(name, classes) or _side_by_letter(name, classes)) for name in classes]
    return [(name, *sided) for name, sided in found if sided]


def _side_by_letter(name: str, classes: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """Side and rest of a name, such as "lkidney", that another one equals but for its first letter."""
    letter, rest = name[:1].lower(), name[1:].lower()
    twin = {"l": "r", "r": "l"}.get(letter, "") + rest
    paired = rest and twin != rest and twin in (other.lower() for other in classes)
    return (SIDES[letter], (rest,)) if paired else None


def _side(name: str, classes: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """Side and the other words; None for a name without exactly one side, or without anything else.

    A letter with numbers alone is a side where another class has the other letter: L1 to L5 are vertebrae.
    """
    words = _words(name)
    if _is_numbered(words) and not any(_other_side(words) == _words(other) for other in classes):
        return None
    sides = [SIDES[word] for word in words if word in SIDES]
    others = tuple(word for word in words if word not in SIDES)
    return (sides[0], others) if len(sides) == 1 and others else None


def _words(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]


def _is_numbered(words: Sequence[str]) -> bool:
    """Whether a name is l or r and numbers alone, vertebrae apart: l5, vertebra_l5."""
    rest = [word for word in words if word not in ("l", "r")]
    return all(word.isdigit() or word.startswith("vertebra") for word in rest)


def _other_side(words: Sequence[str]) -> list[str]:
    return [{"l": "r", "r": "l"}.get(word, word) for word in words]
