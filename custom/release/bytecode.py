"""Code imported from a bundle leaves no trace in it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
