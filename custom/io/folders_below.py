"""Folders within folders, also behind links."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def folders_below(root: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """A folder and all its sub-folders that are not hidden, sorted; each once, as links may lead in a circle.

    `on_error` is called for each that cannot be listed.
    """
    known: set[Path] = set()
    for folder, names, _ in os.walk(root, onerror=on_error, followlinks=True):
        if (place := Path(folder).resolve()) in known:
            names.clear()
            continue
        known.add(place)
        names[:] = sorted(name for name in names if not name.startswith("."))
        yield Path(folder)
