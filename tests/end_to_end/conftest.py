"""Fixtures of the commands that users type."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def quick_commands(quick_python) -> Iterator[None]:
    """A shell finds the quick python first, then the programs of this environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(quick_python), str(Path(sys.executable).parent), os.environ["PATH"]]))
        yield
