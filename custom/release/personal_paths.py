"""Paths of somebody's own computer, which no file that others get may hold."""

import re
from collections.abc import Mapping
from pathlib import Path

HOMES = re.compile(r"(?<![\w.~-])(?:/home/|/Users/|/root/|/media/|/mnt/|[A-Za-z]:\\+Users\\+)[\w.-]+")
SHORTEST = 3  # parts of a folder's path that give somebody away: /srv/name


def personal_paths(contents: Mapping[str, bytes], folder: Path) -> list[str]:
    """One line for each text file with a path in a home folder, on a mounted disk, or of `folder`: file, line and path.

    Of `contents`, path -> content, what is not text is passed over.
    """
    here = [str(folder.resolve())] if len(folder.resolve().parts) >= SHORTEST else []
    found = []
    for name in sorted(contents):
        try:
            lines = contents[name].decode("utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, start=1):
            paths = [match.group() for match in HOMES.finditer(line)] + [path for path in here if path in line]
            found += [f"{name}, line {number}: {path}" for path in paths[:1]]
    return found
