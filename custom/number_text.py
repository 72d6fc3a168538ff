"""Numbers in messages, with as many digits as tell them apart from others."""

from collections.abc import Callable
from typing import Any

import numpy as np

DIGITS = 6
MOST_DIGITS = 17  # of a double


def exact(value: float) -> str:
    """The shortest text of a number that is no other's in the precision it has: 2, 0.5, 1.9999999.

    >>> exact(2.0), exact(float(np.float32(1.9999999)))
    ('2', '1.9999999')
    """
    number = np.float32(value) if float(np.float32(value)) == value else np.float64(value)
    return str(number).removesuffix(".0")


def told_apart(first: Any, second: Any, text: Callable[[Any, int], str]) -> tuple[str, str]:
    """The texts of two values that differ, with the fewest digits, six at least, that show it.

    >>> told_apart(0.1234567, 0.1234568, lambda value, digits: f"{value:.{digits}g}")
    ('0.1234567', '0.1234568')
    """
    texts = text(first, DIGITS), text(second, DIGITS)
    for digits in range(DIGITS, MOST_DIGITS):
        if texts[0] != texts[1]:
            break
        texts = text(first, digits + 1), text(second, digits + 1)
    return texts
