import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text


@pytest.fixture(autouse=True)
def pictures_are_tested(whole_pictures) -> None:
    """In every test here."""


@pytest.fixture
def texts(monkeypatch):
    """Every line that is written into a picture, when it is saved."""
    written: list[str] = []
    original = Figure.savefig

    def savefig(self, *args, **kwargs):
        written.extend(line for text in self.findobj(Text) for line in text.get_text().splitlines())
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return written
