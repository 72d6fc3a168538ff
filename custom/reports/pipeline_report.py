"""What a chain of training stages did: a report in Markdown with a picture of stages and scores."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..io.atomic_write import write_text
from .pipeline_picture import draw_pipeline
from .stage_records import NONE, Record, clock, score_of, split_controls, stage_name, text_of
from .status_table import status_cells
from .text_table import markdown_table

LISTED_CASES = 200


def write_pipeline_report(
    report_file: str | Path,
    picture_file: str | Path,
    records: Sequence[Record],
    excluded: Mapping[str, str] | None = None,
    title: str = "Pseudo-label pipeline",
    data: str = "",
) -> None:
    """Write the Markdown report and its picture, each atomically.

    Args:
        picture_file: PNG, in the same folder.
        records: of the stages in the order they run (`record.json`); keys may be absent. Those whose "control" is true
            are trainings to compare with.
        data: what the cohort is, in a line or some.
    """
    draw_pipeline(picture_file, records, title)
    stages, controls = split_controls(records)
    text = [
        f"# {title}",
        _data_section(data, records, excluded or {}),
        f"![Stages, their cases and their scores]({Path(picture_file).name})",
        "## Stages\n\n" + _stages_markdown(stages),
        "## Scores on the validation set\n\n" + _scores_markdown(stages, controls),
        "## Pseudo-labels\n\n" + _fills_markdown(stages),
        "## Excluded cases\n\n" + _excluded_markdown(excluded or {}),
        "## How to read this\n\n" + _READING,
    ]
    write_text(report_file, "\n\n".join(text) + "\n")


def _data_section(data: str, records: Sequence[Record], excluded: Mapping[str, str]) -> str:
    counts = sorted({int(s["cases"]) for r in records for s in (r.get("scores") or {}).values() if s.get("cases")})
    more = f" to {counts[-1]} (a group counts those that have it)" if len(counts) > 1 else ""
    validated = f"Validation cases: {counts[0]}{more}; no stage trains on them." if counts else "Nothing validated yet."
    left_out = f"Excluded: {len(excluded)}, listed below." if excluded else "No case was excluded."
    described = data.strip().rstrip(".")
    return " ".join(part for part in (f"{described}." if described else "", validated, left_out) if part)


def _stages_markdown(stages: Sequence[Record]) -> str:
    if not stages:
        return "No stage has begun."
    return markdown_table(status_cells(stages))


def _scores_markdown(stages: Sequence[Record], controls: Sequence[Record]) -> str:
    rows = []
    last: Record = next((stage for stage in reversed(stages) if stage.get("scores")), {})
    for record in [*stages, *controls]:
        is_control = bool(record.get("control"))
        for group, score in (record.get("scores") or {}).items():
            dice, best = score_of(record, group), score_of(last, group)
            behind = "" if not is_control or dice is None or best is None else f"{best - dice:+.3f}"
            name = f"control: {stage_name(record)}" if is_control else stage_name(record)
            spreads = [_with_spread(score, metric) for metric in ("dice", "nsd")]
            rows.append([name, group, text_of(score.get("cases")), *spreads, behind])
    if not rows:
        return "None yet."
    return markdown_table([["model", "group", "cases", "DSC", "NSD", "last stage is ahead by"], *rows])


def _with_spread(score: Mapping[str, Any], metric: str) -> str:
    mean, spread = score.get(metric), score.get(f"{metric}_sd")
    if mean is None or math.isnan(mean):
        return NONE
    return f"{mean:.3f}" if spread is None or math.isnan(spread) else f"{mean:.3f} +- {spread:.3f}"


def _fills_markdown(stages: Sequence[Record]) -> str:
    rows = []
    for record in stages:
        for fill in record.get("fill") or ():
            model = f"{text_of(fill.get('model_stage'))} ({text_of(fill.get('model_sha256'))[:8]})"
            cells = [str(fill["group"]), model, text_of(fill.get("cases")), text_of(record.get("suspicious"))]
            rows.append([stage_name(record), *cells, clock(fill.get("seconds"))])
    if not rows:
        return "None yet."
    table = markdown_table(
        [["for stage", "group", "by the model of", "cases", "suspicious in the stage", "time"], *rows]
    )
    held_back = [
        f"- {stage_name(record)}, {fill['group']}: {line}"
        for record in stages
        for fill in record.get("fill") or ()
        for line in fill.get("held_back") or ()
    ]
    return "\n\n".join([table, *(["Classes held back:\n\n" + "\n".join(held_back)] if held_back else [])])


def _excluded_markdown(excluded: Mapping[str, str]) -> str:
    if not excluded:
        return "None."
    table = markdown_table([("case", "reason"), *list(excluded.items())[:LISTED_CASES]])
    hidden = len(excluded) - LISTED_CASES
    return f"{table}\n\nand {hidden} more." if hidden > 0 else table


_READING = """\
- Each stage trains on the groups named, after earlier models filled the classes their cases are not annotated for;
  annotated voxels stay as they are. "annotated" counts cases with annotations only, "filled" those that a model
  filled, for this stage or an earlier one.
- DSC is the Dice coefficient, NSD the normalised surface Dice, from 0 to 1, each the mean over classes of the mean
  over cases; +- is the standard deviation over cases. A gain is the difference in DSC from the last stage before that
  has this score.
- With few validation cases a small gain may be chance: compare it with the standard deviation divided by the square
  root of the number of cases.
- Suspicious pseudo-labels are listed in `review/suspicious.csv` of their stage, the worst first, and shown in
  `contact_sheet.png` next to it.
- "model" is the beginning of the SHA-256 checksum of the stage's network, the same as in the sidecar of every label
  that it made."""
