"""Class names to the ids that label maps hold."""

from collections.abc import Sequence


def class_ids(names: Sequence[str], class_names: Sequence[str]) -> list[int]:
    """Ids (from 1) of those `names` that are among `class_names`, so that lists for other data do no harm."""
    return [class_names.index(name) + 1 for name in names if name in class_names]
