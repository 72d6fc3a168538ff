"""The name that was probably meant, for messages."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A question after the nearest of some names, if one is near.

    >>> did_you_mean("learningrate", ["epochs", "learning_rate"])
    ' (did you mean learning_rate?)'
    """
    known = {one.lower(): one for one in names}
    found = get_close_matches(name.lower(), known, n=1)
    return f" (did you mean {known[found[0]]}?)" if found else ""
