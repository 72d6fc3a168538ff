"""Checks of a bundle leave no trace in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PYTHONDONTWRITEBYTECODE"


@contextmanager
def without_bytecode() -> Iterator[None]:
    """Python, and programs that it starts, write no `__pycache__` beside the code they import."""
    kept, before = sys.dont_write_bytecode, os.environ.get(VARIABLE)
    sys.dont_write_bytecode = True
    os.environ[VARIABLE] = "1"
    try:
        yield
    finally:
        sys.dont_write_bytecode = kept
        os.environ.pop(VARIABLE)
        os.environ |= {} if before is None else {VARIABLE: before}


def forget_code(root: Path, package: str) -> None:
    """Import the package anew next time: another bundle, or another version of this one, may carry one of its name."""
    sys.path[:] = [entry for entry in sys.path if entry != str(root)]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
