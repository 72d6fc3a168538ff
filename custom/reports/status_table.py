"""What a chain of training stages did, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .stage_records import (
    NONE,
    CaseCount,
    Record,
    case_counts,
    clock,
    gains,
    score_groups,
    score_text,
    seconds_of,
    split_controls,
    stage_name,
    text_of,
)
from .text_table import aligned


def status_table(records: Sequence[Record]) -> str:
    """The stages as aligned text, in the given order; what is not known yet is a dash.

    The columns: state, what the stage trains on, its cases (with annotations only / filled by a model), which model
    filled which group for it, epochs, per group of scores DSC and NSD and the gain in DSC on the stage before that has
    this score, hours:minutes:seconds of filling and training, and the first eight digits of the model's checksum.
    Controls come last and gain nothing on anything.
    """
    lines = status_cells(records)
    return "\n".join(aligned(lines, text_columns={0, 1, 2, 4, len(lines[0]) - 1}))


def status_cells(records: Sequence[Record]) -> list[list[str]]:
    """Titles and one line of cells a record, stages first."""
    stages, controls = split_controls(records)
    groups = score_groups(records)
    titles = ["stage", "state", "trains on", "cases (annotated/filled)", "filled by", "epochs"]
    for group in groups:
        titles += [f"{group} DSC/NSD", "gain"]
    lines = [[*titles, "time", "model"]]
    gained = [*gains(stages), *({} for _ in controls)]
    for record, gain in zip([*stages, *controls], gained, strict=True):
        cells = [stage_name(record), text_of(record.get("state")), _trains_on(record), _cases_text(case_counts(record))]
        cells += [_filled_by(record), text_of(record.get("epochs"))]
        for group in groups:
            cells += [score_text(record, group), _gain_text(gain.get(group))]
        lines.append([*cells, clock(seconds_of(record)), text_of(record.get("model_sha256"))[:8]])
    return lines


def _trains_on(record: Record) -> str:
    return ", ".join(record.get("train") or record.get("cases") or ()) or NONE


def _cases_text(counts: Mapping[str, CaseCount]) -> str:
    if not counts:
        return NONE
    cases, annotated = sum(map(sum, counts.values())), sum(count.annotated for count in counts.values())
    return f"{cases} ({annotated}/{cases - annotated})"


def _filled_by(record: Record) -> str:
    fills = [f"{fill['group']} by {fill.get('model_stage') or NONE}" for fill in record.get("fill") or ()]
    return ", ".join(fills) or NONE


def _gain_text(gain: float | None) -> str:
    return NONE if gain is None else f"{gain:+.3f}"
