"""Tables for the terminal and for files."""

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io.atomic_write import replacing

Row = dict[str, Any]


def aligned(lines: Sequence[Sequence[str]], text_columns: Collection[int] = (0,)) -> list[str]:
    """Titles and cells as lines of text: words to the left, numbers to the right, a rule under the titles."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [
        [cell.ljust(width) if i in text_columns else cell.rjust(width) for i, (cell, width) in enumerate(pairs)]
        for pairs in (zip(line, widths, strict=True) for line in lines)
    ]
    text = ["  ".join(cells).rstrip() for cells in padded]
    return [text[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *text[1:]]


def markdown_table(lines: Sequence[Sequence[str]], numbers: bool = False) -> str:
    """Titles and cells as a table of Markdown; with `numbers` all columns but the first stand to the right."""
    rule = ["---", *["---:" if numbers else "---"] * (len(lines[0]) - 1)]
    escaped = [[" ".join(cell.replace("|", r"\|").split()) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in [escaped[0], rule, *escaped[1:]])


def read_csv(file: Path) -> list[dict[str, str]]:
    """The rows of a table of text. Raises InputError: it cannot be read."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:  # Excel begins files with a byte order mark
            return list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: cannot be read as a table ({error}); restore it, or pass another file") from error


def write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write rows, atomically, by default with the columns of the first; None or nothing becomes an empty cell."""
    names = columns or (list(rows[0]) if rows else [])
    with (
        replacing(path) as temporary,
        temporary.open(
            "w",
            newline="",
            encoding="utf-8",
            errors="backslashreplace",  # file names may hold bytes that are no text
        ) as file,
    ):
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
