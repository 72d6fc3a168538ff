"""The sections of a page that only a recipe has: its stages with their scores, and its pseudo-labels."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..stage_records import Record, split_controls
from ..status_table import status_cells
from .case_slices import jpeg
from .page_parts import Picture, Section, Table
from .results import Results
from .stage_chart import main_groups, stage_charts

SHEET = Path("review") / "contact_sheet.png"
SHEET_WIDTH = 1100  # pixels


def stage_section(results: Results) -> Section:
    """The stages of a recipe with their scores (Figure 3)."""
    if not results.stages:
        return Section("stages", "Score of each stage")
    words = [f"Each stage trains on labels that earlier stages completed. Scores of the {results.scored}."]
    if split_controls(results.stages)[1]:
        words.append("Dashed: controls, trained to be compared with.")
    table = Table(status_cells(with_main_scores(results.stages)), words=True)
    return Section("stages", "Score of each stage", words, [table], stage_charts(results.stages))


def with_main_scores(records: Sequence[Record]) -> list[Record]:
    """The records with the scores that the table has room for; those of every class stand in one of their own."""
    main = main_groups(records)
    kept = [{key: one for key, one in (record.get("scores") or {}).items() if key in main} for record in records]
    return [{**record, "scores": scores} for record, scores in zip(records, kept, strict=True)]


def pseudo_label_section(results: Results) -> Section:
    """Which classes stayed unannotated instead of being filled, and the pseudo-labels to look at first."""
    lines = [["stage", "class and cases"]]
    for record in results.records:
        held = [line for fill in record.get("fill") or () for line in fill.get("held_back") or ()]
        lines += [[str(record["run"]), line] for line in held]
    tables = [Table(lines, "Classes held back instead of filled", shown=20, words=True)] if len(lines) > 1 else []
    pictures = [
        Picture(sheet_picture(file), f"pseudo-labels of {one.name} to look at first, with the reasons")
        for one in results.methods
        for run in one.trainings[:1]
        if (file := run / SHEET).is_file()
    ]
    words = ["Pictures: the pseudo-labels of each stage to look at first; review/suspicious.csv lists them."]
    return Section("pseudo_labels", "Pseudo-labels", words if pictures else [], tables, (), pictures, folded=True)


def sheet_picture(file: Path) -> str:
    """A contact sheet as a data address, no wider than a page."""
    picture = Image.open(io.BytesIO(file.read_bytes())).convert("RGB")
    picture.thumbnail((SHEET_WIDTH, picture.height))
    return jpeg(picture)
