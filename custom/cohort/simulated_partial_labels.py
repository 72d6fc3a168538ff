"""A partial-label cohort out of fully annotated cases: a seeded draw of who keeps which classes, and their labels."""

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np

from ..errors import InputError
from ..fingerprint.label_statistics import read_label_map
from ..io.atomic_write import replacing
from .annotation import parse_classes

MARK_LENGTH = 79  # bytes that NIfTI's header has for a description
EVERY, NOTHING = "all", "none"
ROUNDING = Fraction(1, 100)  # by which shares such as 0.33, 0.33, 0.33 may miss 1


class Part(NamedTuple):
    """A part of the cases: the classes that stay annotated, and the share (below 1 or all of 1) or number of cases."""

    kept: tuple[int, ...]
    share: Fraction


def parse_parts(text: str, classes: Sequence[str]) -> list[Part]:
    """Parts written as "CLASSES:SHARE,CLASSES:SHARE,...".

    CLASSES are names or ids with ";" between, "none" or "all"; SHARE is a fraction (1/3), a decimal (0.25) or, in every
    part, a number of cases (60). Raises InputError: the text is something else, or a class is unknown.
    """
    example = f'write it as "{classes[0]}:1/3,none:2/3", with ";" between the classes of one part'
    parts = []
    for piece in str(text).split(","):
        names, _, share = (word.strip() for word in piece.rpartition(":"))
        if not names:
            raise InputError(f"partial: {piece.strip()!r} names no classes or no share; {example}")
        size = _fraction(share)
        if size is None or size == 0:
            raise InputError(f"partial: the share {share!r} of {names} is not a positive number; {example}")
        words = {EVERY: tuple(range(1, len(classes) + 1)), NOTHING: ()}
        parts.append(Part(words[names] if names in words else parse_classes(names, classes, "partial"), size))
    return parts


def draw_parts(names: Sequence[str], parts: Sequence[Part], seed: int) -> dict[str, tuple[int, ...]]:
    """Case name -> classes that stay annotated: each case falls into one part, drawn by `seed`.

    Shares are turned into whole numbers of cases by the largest remainder. The order of `names` has no influence.
    Raises InputError: the shares do not add up to 1, or the numbers to that of the cases.
    """
    counts = _part_sizes(parts, len(names))
    ordered = sorted(names)
    queue = [ordered[number] for number in np.random.default_rng([seed, 1]).permutation(len(ordered))]
    drawn: dict[str, tuple[int, ...]] = {}
    for part, count in zip(parts, counts, strict=True):
        drawn |= dict.fromkeys(queue[:count], part.kept)
        queue = queue[count:]
    return {name: drawn[name] for name in names}


def draw_held_out(
    names: Sequence[str], amount: float | str, seed: int, what: str = "validation", kind: str = "annotated completely"
) -> list[str]:
    """`amount` of the cases, sorted, drawn by `seed` alone: what becomes of the others has no influence.

    Args:
        amount: a number of cases (40), or a share of them below 1 (0.1 or "1/5"), rounded, at least one.
        what, kind: for messages, the option and which cases `names` are.

    Raises InputError: `amount` is neither, or leaves no case.
    """
    wanted = _fraction(amount)
    if wanted is None or (wanted > 1 and wanted.denominator != 1):
        raise InputError(f"{what} is {amount!r}; pass a number of cases such as 40 or a share such as 0.1")
    count = int(wanted) if wanted.denominator == 1 else max(1, round(wanted * len(names)))
    if count and count >= len(names):
        raise InputError(
            f"{what} is {amount}, but only {len(names)} training cases are {kind}, of which one "
            f"at least must remain; pass a smaller number, or name {what} cases in a CSV's column use"
        )
    ordered = sorted(names)
    return sorted(ordered[number] for number in np.random.default_rng([seed, 0]).permutation(len(ordered))[:count])


def is_reduced_label(file: Path, mark: str) -> bool:
    """Whether `write_reduced_label` wrote the file with this mark."""
    try:
        image: Any = nib.load(file)
        return image.header["descrip"].item() == mark.encode()[:MARK_LENGTH]
    except Exception:  # no NIfTI file, or a damaged one
        return False


def write_reduced_label(label: str, target: Path, kept: Sequence[int], mark: str) -> None:
    """Write the label with the classes of `kept` alone, all else 0: 8-bit, same grid, atomically.

    `mark` is kept in the file's header, for `is_reduced_label`.
    """
    labels = read_label_map(label)
    reduced = nib.Nifti1Image(np.where(np.isin(labels.voxels, list(kept)), labels.voxels, np.uint8(0)), labels.affine)
    reduced.header["descrip"] = mark.encode()[:MARK_LENGTH]
    with replacing(target) as temporary:
        nib.save(reduced, temporary)


def largest_remainder(weights: Sequence[int | Fraction], total: int) -> list[int]:
    """`total` in the proportions of `weights`, in whole numbers.

    >>> largest_remainder([1, 1, 1], 100)
    [34, 33, 33]
    """
    whole = sum(weights)
    exact = [Fraction(weight) / whole * total for weight in weights]
    sizes = [math.floor(size) for size in exact]
    first = sorted(range(len(sizes)), key=lambda index: sizes[index] - exact[index])
    for index in first[: total - sum(sizes)]:
        sizes[index] += 1
    return sizes


def _fraction(text: float | str) -> Fraction | None:
    """A number from 0 on, such as 40, 0.1 or 1/5; None for anything else."""
    try:
        number = Fraction(str(text).replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        return None
    return number if number >= 0 else None


def _part_sizes(parts: Sequence[Part], total: int) -> list[int]:
    added = sum((part.share for part in parts), Fraction(0))
    if added != 1 and all(part.share.denominator == 1 for part in parts):
        if added != total:
            raise InputError(
                f"partial: its numbers add up to {added}, but there are {total} training cases; change them, "
                f"or write shares such as {EVERY}:1/2"
            )
        return [int(part.share) for part in parts]
    if abs(added - 1) > ROUNDING:
        raise InputError(
            f"partial: its shares add up to {float(added):.3g}, not 1; change them, or add a part such as "
            f"{NOTHING}:1/4 or {EVERY}:1/4"
        )
    return largest_remainder([part.share for part in parts], total)
