"""The notebook runs from its first to its last cell, without a kernel: its cells are plain Python."""

import json

import matplotlib as mpl
import pytest

pytestmark = pytest.mark.slow

PHANTOMS = {"num_cases=12": "num_cases=6", "(1.3, 1.5)": "(1.9, 2.1)"}  # fewer and coarser ones


@pytest.fixture
def cells(project):
    notebook = json.loads((project / "docs" / "from_scans_to_labels.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_every_cell_runs(cells, project, tmp_path, monkeypatch):
    """On phantoms, with one step for an epoch."""
    monkeypatch.setenv("WORK", str(tmp_path))
    monkeypatch.setenv("STEPS", "1")
    monkeypatch.delenv("DATASET", raising=False)
    monkeypatch.chdir(project / "docs")
    mpl.use("Agg")
    names = {"__name__": "notebook"}
    for shown, small in PHANTOMS.items():
        assert cells[0].count(shown) == 1
        cells[0] = cells[0].replace(shown, small)
    for cell in cells:
        exec(compile(cell, "notebook", "exec"), names)
    study = (tmp_path / "study" / "study.md").read_text()
    assert "| batseg | nnunet | Dice |" in study
