"""What a chain of runs did, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from .stage_records import NONE, Record, score_groups, score_text, text_of
from .status_table import aligned


def run_table(records: Sequence[Record]) -> str:
    """The runs as aligned text: state, the runs it follows from, when it was finished, DSC (and NSD) where scored."""
    groups = score_groups(records)
    lines = [["run", "state", "after", "finished", *(f"{group} DSC/NSD" for group in groups)]]
    for record in records:
        cells = [text_of(record.get(key)) for key in ("run", "state")]
        cells += [", ".join(record.get("needs") or ()) or NONE, text_of(record.get("finished"))]
        lines.append([*cells, *(score_text(record, group) for group in groups)])
    return "\n".join(aligned(lines, text_columns={0, 1, 2, 3}))
