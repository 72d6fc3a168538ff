"""Names of the foreground classes: which can be used, and when two of them mean the same class."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError

MOST_CLASSES = 254  # label maps are 8-bit and 255 is the value to ignore
RESERVED = {
    "background": "which is always 0; leave it out",
    "ignore": "a label which is not supported; remove its voxels",
}
SEPARATORS = re.compile(r"[\s_.-]+")


def checked_class_names(names: Any, where: str) -> list[str]:
    """Names of the foreground classes in the order of their ids, from 1, as they are.

    Args:
        names: as a user gave them.
        where: begins the message, such as "plan.yaml: classes".

    Raises InputError: no list, too many, a name that is none, is reserved, reads as another's id or is there twice.
    """
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise InputError(f"{where} is {names!r}; it must be a list of class names in the order of their ids from 1")
    if len(names) > MOST_CLASSES:
        raise InputError(f"{where} has {len(names)} names; at most {MOST_CLASSES} fit 8-bit labels")
    earlier: dict[str, str] = {}
    for number, name in enumerate(names, start=1):
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise InputError(f"{where} has {name!r} for class {number}; a name is a word or several, such as liver")
        same = comparable(name)
        if same in RESERVED:
            raise InputError(f"{where} names {name}, {RESERVED[same]}")
        if name.strip().isdecimal() and int(name) != number:
            raise InputError(f"{where} names class {number} {name!r}, which reads as another id; give it a name")
        if same in earlier:
            alike = f"{name} twice" if earlier[same] == name else f"{earlier[same]} and {name}, which are read as one"
            raise InputError(f"{where} names {alike}; give every class its own name")
        earlier[same] = name
    return list(names)


def comparable(name: str) -> str:
    """What is left of a name without case, separators and the difference between British and American spelling.

    >>> comparable("Left Kidney") == comparable("left_kidney"), comparable("Oesophagus-Tumour")
    (True, 'esophagustumor')
    """
    plain = SEPARATORS.sub("", unicodedata.normalize("NFKC", name).casefold())
    return re.sub("ae|oe", "e", plain).replace("our", "or")


def same_names(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists name the same classes in the same order, however they are spelt."""
    return [comparable(name) for name in one] == [comparable(name) for name in other]


def differing_name(names: Sequence[str], described: Mapping[int, str]) -> str | None:
    """What contradicts `described`, names by id, in a list of names: its first other name; None where nothing does."""
    for number, name in sorted(described.items()):
        ours = names[number - 1] if number <= len(names) else "no class"
        if comparable(ours) != comparable(name):
            return f"{number} is {name} there, but {ours} here ({numbered(names)})"
    return None


def swapped_name(names: Sequence[str], described: Mapping[int, str]) -> str | None:
    """The first name that `described` gives to another id; None where classes are at most renamed."""
    ids = {comparable(name): number for number, name in described.items()}
    for number, name in enumerate(names, start=1):
        if ids.get(comparable(name), number) != number:
            return f"{ids[comparable(name)]} is {name} there, but {number} here ({numbered(names)})"
    return None


def numbered(names: Sequence[str]) -> str:
    """The names with their ids.

    >>> numbered(["liver", "tumour"])
    '1 liver, 2 tumour'
    """
    shown = [f"{number} {name}" for number, name in enumerate(names, start=1)]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:5], "..."])
