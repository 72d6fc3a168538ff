"""What the tests of the pipeline share."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from custom.workflows import pipeline as pipeline_module

from .noted_stages import noted_pipeline


@pytest.fixture
def without_pictures(monkeypatch):
    """Pictures are two thirds of the work of a tiny run."""
    monkeypatch.setattr(pipeline_module, "write_report_or_warn", lambda _: None)
    monkeypatch.setattr(Figure, "savefig", lambda _, file, *args, **kwargs: Path(file).write_bytes(b""))


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    """Runs stages by name, each again from what is on the disk."""
    return noted_pipeline(tmp_path, monkeypatch)
