"""What a page consists of, as the template draws it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .chart import Chart


class Cell(NamedTuple):
    """A cell of a table: its text, how good its number is (0 to 1, for its shade) and the case that it opens."""

    text: str
    shade: float | None = None
    link: str = ""


@dataclass(frozen=True)
class Table:
    """Titles and lines of cells; only the first `shown` lines are open to see, if that is not 0."""

    lines: Sequence[Sequence[str | Cell]]
    caption: str = ""
    shown: int = 0
    words: bool = False  # its cells are words, not numbers


@dataclass(frozen=True)
class Picture:
    """A picture as a data address."""

    data: str
    text: str


@dataclass
class Section:
    """A part of the page under its own heading; `folded`: closed until it is opened."""

    id: str
    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    pictures: Sequence[Picture] = ()
    cases: Sequence[Any] = ()  # of the viewer
    folded: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.tables or self.charts or self.pictures or self.cases)


@dataclass(frozen=True)
class Page:
    """The whole page; `facts` are short statements under the title."""

    title: str
    facts: Sequence[str]
    sections: Sequence[Section] = field(default_factory=tuple)


def heat_table(
    shares: dict[tuple[str, str], float], rows: Sequence[str], columns: Sequence[str], caption: str, percent: bool
) -> Table:
    """A table of shares, or of counts (shaded by their share of the row), with the true class at the left."""
    lines: list[list[str | Cell]] = [["true, given as:", *columns]]
    for row in rows:
        values = [shares.get((row, column), 0.0) for column in columns]
        total = 1.0 if percent else sum(values) or 1.0
        texts = [f"{100 * value:.0f} %" if percent else count_text(value) for value in values]
        lines.append([row, *(Cell(text, value / total) for text, value in zip(texts, values, strict=True))])
    return Table(lines, caption)


def count_text(count: float) -> str:
    """A number of patients, who may count in parts."""
    return f"{count:.1f}".removesuffix(".0")
