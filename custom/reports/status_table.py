"""What the stages of a pipeline, or the runs of any chain, did, as a table for the terminal, or as Markdown."""

from collections.abc import Mapping, Sequence

from .stage_records import (
    NONE,
    Record,
    clock,
    gains,
    score_groups,
    score_text,
    seconds_of,
    split_controls,
    stage_name,
    text_of,
)
from .text_table import aligned, markdown_table

LISTED_CASES = 200


def status_table(records: Sequence[Record]) -> str:
    """The stages as aligned text, in the given order; what is not known yet is a dash.

    The columns: state, what the stage trains on, its cases (with annotations only / filled by a model), which model
    filled which group for it, epochs, per group of scores DSC and NSD and the gain in DSC on the stage before that has
    this score, hours:minutes:seconds of filling and training, and the first eight digits of the model's checksum.
    Controls come last and gain nothing on anything.
    """
    lines = status_cells(records)
    return "\n".join(aligned(lines, text_columns={0, 1, 2, 4, len(lines[0]) - 1}))


def run_table(records: Sequence[Record]) -> str:
    """The runs of any chain as aligned text: state, what each follows from, when it was finished, DSC (and NSD)."""
    groups = score_groups(records)
    lines = [["run", "state", "after", "finished", *(f"{group} DSC/NSD" for group in groups)]]
    for record in records:
        cells = [text_of(record.get(key)) for key in ("run", "state")]
        cells += [", ".join(record.get("needs") or ()) or NONE, text_of(record.get("finished"))]
        lines.append([*cells, *(score_text(record, group) for group in groups)])
    return "\n".join(aligned(lines, text_columns={0, 1, 2, 3}))


def status_page(title: str, data: str, records: Sequence[Record], excluded: Mapping[str, str]) -> str:
    """The stages in Markdown, with the classes held back from labels and the excluded cases (name -> reason).

    `data` says in a line what the cohort is.
    """
    held_back = [
        f"- {stage_name(record)}, {fill['group']}: {line}"
        for record in records
        for fill in record.get("fill") or ()
        for line in fill.get("held_back") or ()
    ]
    parts = [f"# {title}", data, "## Stages", markdown_table(status_cells(records))]
    if held_back:
        parts += ["## Classes held back", "\n".join(held_back)]
    if excluded:
        hidden = len(excluded) - LISTED_CASES
        table = markdown_table([("case", "reason"), *list(excluded.items())[:LISTED_CASES]])
        parts += [f"## Excluded cases: {len(excluded)}", table, *([f"and {hidden} more"] if hidden > 0 else [])]
    return "\n\n".join(parts) + "\n"


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
        trains_on = ", ".join(record.get("train") or record.get("cases") or ()) or NONE
        fills = [f"{fill['group']} by {fill.get('model_stage') or NONE}" for fill in record.get("fill") or ()]
        cells = [stage_name(record), text_of(record.get("state")), trains_on, _cases_text(record)]
        cells += [", ".join(fills) or NONE, text_of(record.get("epochs"))]
        for group in groups:
            cells += [score_text(record, group), f"{gain[group]:+.3f}" if group in gain else NONE]
        lines.append([*cells, clock(seconds_of(record)), text_of(record.get("model_sha256"))[:8]])
    return lines


def _cases_text(record: Record) -> str:
    """All cases, those with annotations only, and those that a model filled, for this stage or for an earlier one."""
    cases = record.get("cases") or {}
    filled = {*(fill["group"] for fill in record.get("fill") or ()), *(record.get("filled_by") or ())}
    total, annotated = sum(cases.values()), sum(count for group, count in cases.items() if group not in filled)
    return f"{total} ({annotated}/{total - annotated})" if cases else NONE
