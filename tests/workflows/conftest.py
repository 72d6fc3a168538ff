"""What the tests of the pipeline share."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def without_pictures(monkeypatch):
    """Pictures are two thirds of the work of a tiny run."""
    monkeypatch.setattr(Figure, "savefig", lambda _, file, *args, **kwargs: Path(file).write_bytes(b""))
