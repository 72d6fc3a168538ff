"""What a chain of training stages did: a table for the terminal, a report and a picture of stages and scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch, Rectangle

from ..atomic_write import replacing, write_text
from .case_picture import DOTS_PER_INCH, class_colour

Record = Mapping[str, Any]

DONE = "done"
LISTED_CASES = 200

_NONE = "-"
_INK, _SOFT, _LINE = "0.15", "0.45", "0.75"
_ANNOTATED, _FILLED_BEFORE, _FILLED = "#0072B2", "#F5CF87", "#E69F00"
_CONTROL_COLOURS = ("#882255", "#CC79A7", "#999933", "#44AA99")
_BOX, _SPACE, _SIDE = 2.3, 1.15, 0.75  # inches: width of a stage, between two, beside all
_TITLE_HEIGHT, _PANEL_HEIGHT, _BAR_HEIGHT = 0.95, 1.75, 0.36
_LETTER = 0.066  # inches: width of one at 8 points
_ON_WHITE = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 0.8}  # keeps numbers readable on lines


class CaseCount(NamedTuple):
    """Cases of a group as a stage trains on them: with annotations only, filled for an earlier stage, filled now."""

    annotated: int
    filled_before: int
    filled: int


def status_table(records: Sequence[Record]) -> str:
    """The stages as aligned text, in the given order; what is not known yet is a dash.

    The columns: state, what the stage trains on, its cases (with annotations only / filled by a model), which model
    filled which group for it, epochs, per group of scores DSC and NSD and the gain in DSC on the stage before that has
    this score, hours:minutes:seconds of filling and training, and the first eight digits of the model's checksum.
    Controls come last and gain nothing on anything.
    """
    stages, controls = split_controls(records)
    lines = _status_lines(stages, controls, score_groups(records))
    return "\n".join(_aligned(lines, text_columns={0, 1, 2, 4, len(lines[0]) - 1}))


def write_pipeline_report(
    report_file: str | Path,
    picture_file: str | Path,
    records: Sequence[Record],
    controls: Sequence[Record] = (),
    set_aside: Mapping[str, str] | None = None,
    title: str = "Pseudo-label pipeline",
    data: str = "",
) -> None:
    """Write the Markdown report and its picture, each atomically.

    Args:
        report_file: Markdown file.
        picture_file: PNG, referred to by the report.
        records: of the stages in the order they run (`record.json`); keys may be absent.
        controls: the same for trainings to compare with, of which "stage" (the name) and "scores" are used.
            Records whose "control" is true are controls too.
        set_aside: case name -> why it was left out.
        title: heading of the report and the picture.
        data: what the cohort is, in a line or some.
    """
    draw_pipeline(picture_file, records, controls, title)
    stages, marked = split_controls(records)
    others = [*marked, *controls]
    text = [
        f"# {title}",
        _data_section(data, [*stages, *others], set_aside or {}),
        f"![Stages, their cases and their scores]({_relative(picture_file, report_file)})",
        "## Stages\n\n" + _stages_markdown(stages),
        "## Scores on the validation set\n\n" + _scores_markdown(stages, others),
        "## Pseudo-labels\n\n" + _fills_markdown(stages),
        "## Cases set aside\n\n" + _set_aside_markdown(set_aside or {}),
        "## How to read this\n\n" + _READING,
    ]
    write_text(report_file, "\n\n".join(text) + "\n")


def split_controls(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """The stages, and the records whose "control" is true."""
    return [r for r in records if not r.get("control")], [r for r in records if r.get("control")]


def score_groups(records: Sequence[Record]) -> list[str]:
    """The names of the groups of scores, in the order they first appear."""
    return list(dict.fromkeys(group for record in records for group in record.get("scores") or {}))


def gains(records: Sequence[Record], metric: str = "dice") -> list[dict[str, float]]:
    """For each stage: group -> difference of the metric from the last stage before that has one."""
    last: dict[str, float] = {}
    found = []
    for record in records:
        values = {group: _score(record, group, metric) for group in record.get("scores") or {}}
        known = {group: value for group, value in values.items() if value is not None}
        found.append({group: value - last[group] for group, value in known.items() if group in last})
        last |= known
    return found


def case_counts(record: Record) -> dict[str, CaseCount]:
    """Group -> its cases by where their labels come from.

    "fill" tells the groups a model filled for this stage, "filled_by" (group -> stage) also those whose labels are
    taken over from an earlier stage.
    """
    now = {fill["group"] for fill in record.get("fill") or ()}
    filled_by = record.get("filled_by") or {}
    counts = {}
    for group, cases in (record.get("cases") or {}).items():
        if group in now or filled_by.get(group, "") == record.get("stage"):
            counts[group] = CaseCount(0, 0, int(cases))
        elif group in filled_by:
            counts[group] = CaseCount(0, int(cases), 0)
        else:
            counts[group] = CaseCount(int(cases), 0, 0)
    return counts


def draw_pipeline(
    picture_file: str | Path, records: Sequence[Record], controls: Sequence[Record] = (), title: str = ""
) -> None:
    """Write a PNG: the stages as boxes from left to right, below each its scores on the validation set.

    A box shows the cases of each group the stage trains on, annotated and filled; an arrow leads from the model that
    filled a group to the stage that trains on it. Each group of scores has a panel, with the gain on the stage before
    and the controls as horizontal lines.
    """
    stages, marked = split_controls(records)
    others = [*marked, *controls]
    groups = [g for g in score_groups([*stages, *others]) if any(_score(r, g) is not None for r in [*stages, *others])]
    longest = max((len(_name(record)) for record in others), default=0)
    beside = 0.3 + _LETTER * (longest + 6) if others else 0.35  # the names and values of the controls
    width = max(_SIDE + len(stages) * (_BOX + _SPACE) - _SPACE + 0.3 + beside, 7.5)
    box_height = 0.85 + _BAR_HEIGHT * max((len(record.get("cases") or {}) for record in stages), default=1)
    arcs = _arc_room(stages)
    flow_height = box_height + arcs + 0.55
    height = _TITLE_HEIGHT + flow_height + (_PANEL_HEIGHT + 0.35) * len(groups) + (0.35 if groups else 0.1)
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(_SIDE / width, 1 - 0.22 / height, title, fontsize=15, weight="bold", va="top", color=_INK)
    bottom = height - _TITLE_HEIGHT - flow_height
    flow = figure.add_axes((0, bottom / height, 1, flow_height / height))
    flow.set(xlim=(0, width), ylim=(0, flow_height))
    flow.axis("off")
    _draw_flow(flow, stages, box_height)
    _draw_flow_legend(figure, ((_SIDE - 0.05) / width, 1 - 0.47 / height))
    for number, group in enumerate(groups):
        low = bottom - (number + 1) * (_PANEL_HEIGHT + 0.35) + 0.1
        right = width - beside
        box = (_SIDE / width, low / height, (right - _SIDE) / width, _PANEL_HEIGHT / height)
        axes = figure.add_axes(box)
        axes.set_xlim(_SIDE, right)
        _draw_scores(axes, group, stages, others, is_last=number == len(groups) - 1)
    with replacing(picture_file) as temporary:
        figure.savefig(temporary, format="png")


def _score(record: Record, group: str, metric: str = "dice") -> float | None:
    value = ((record.get("scores") or {}).get(group) or {}).get(metric)
    return None if value is None or math.isnan(value) else float(value)


def _seconds(record: Record) -> float | None:
    parts = [record.get("training_seconds"), *(fill.get("seconds") for fill in record.get("fill") or ())]
    known = [float(part) for part in parts if part is not None]
    return sum(known) if known else None


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return _NONE
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _name(record: Record) -> str:
    return str(record.get("stage") or _NONE)


def _trains_on(record: Record) -> str:
    return ", ".join(record.get("train") or record.get("cases") or ()) or _NONE


def _cases_text(counts: Mapping[str, CaseCount]) -> str:
    if not counts:
        return _NONE
    cases, annotated = sum(map(sum, counts.values())), sum(count.annotated for count in counts.values())
    return f"{cases} ({annotated}/{cases - annotated})"


def _filled_by(record: Record) -> str:
    fills = [f"{fill['group']} by {fill.get('model_stage') or _NONE}" for fill in record.get("fill") or ()]
    return ", ".join(fills) or _NONE


def _score_text(record: Record, group: str) -> str:
    dice, nsd = _score(record, group), _score(record, group, "nsd")
    if dice is None:
        return _NONE
    return f"{dice:.3f}" if nsd is None else f"{dice:.3f}/{nsd:.3f}"


def _gain_text(gain: float | None) -> str:
    return _NONE if gain is None else f"{gain:+.3f}"


def _text(value: Any) -> str:
    return _NONE if value is None else str(value)


def _status_lines(stages: Sequence[Record], controls: Sequence[Record], groups: Sequence[str]) -> list[list[str]]:
    """Titles and one line of cells a record, stages first."""
    titles = ["stage", "state", "trains on", "cases (annotated/filled)", "filled by", "epochs"]
    for group in groups:
        titles += [f"{group} DSC/NSD", "gain"]
    lines = [[*titles, "time", "model"]]
    records = [*stages, *controls]
    gained = [*gains(stages), *({} for _ in controls)]
    for record, gain in zip(records, gained, strict=True):
        cells = [_name(record), _text(record.get("state")), _trains_on(record), _cases_text(case_counts(record))]
        cells += [_filled_by(record), _text(record.get("epochs"))]
        for group in groups:
            cells += [_score_text(record, group), _gain_text(gain.get(group))]
        lines.append([*cells, _clock(_seconds(record)), _text(record.get("model_sha256"))[:8]])
    return lines


def _aligned(lines: Sequence[Sequence[str]], text_columns: set[int]) -> list[str]:
    """Words to the left, numbers to the right, a rule under the titles."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if number in text_columns else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return [line(lines[0]), "-" * (sum(widths) + 2 * (len(widths) - 1)), *(line(cells) for cells in lines[1:])]


def _relative(file: str | Path, start: str | Path) -> str:
    """The picture as the report names it."""
    picture, folder = Path(file), Path(start).parent
    return picture.relative_to(folder).as_posix() if picture.is_relative_to(folder) else picture.as_posix()


def _markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(_one_cell(cell) for cell in line) + " |" for line in lines)


def _one_cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _data_section(data: str, records: Sequence[Record], set_aside: Mapping[str, str]) -> str:
    counts = sorted({int(s["cases"]) for r in records for s in (r.get("scores") or {}).values() if s.get("cases")})
    validated = "Nothing has been validated yet."
    if counts:
        number = (
            f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} (a group counts those that have it)"
        )
        validated = f"Validation cases: {number}; no stage trains on them."
    aside = f"Set aside: {len(set_aside)}, listed below." if set_aside else "No case was set aside."
    described = data.strip().rstrip(".")
    return " ".join(part for part in (f"{described}." if described else "", validated, aside) if part)


def _stages_markdown(stages: Sequence[Record]) -> str:
    if not stages:
        return "No stage has begun."
    titles, *rows = _status_lines(stages, [], score_groups(stages))
    return _markdown_table(titles, rows)


def _scores_markdown(stages: Sequence[Record], controls: Sequence[Record]) -> str:
    rows = []
    last = next((stage for stage in reversed(stages) if stage.get("scores")), None)
    for record in [*stages, *controls]:
        is_control = any(record is one for one in controls)
        for group, score in (record.get("scores") or {}).items():
            dice, best = _score(record, group), None if last is None else _score(last, group)
            behind = "" if not is_control or dice is None or best is None else f"{best - dice:+.3f}"
            name = f"control: {_name(record)}" if is_control else _name(record)
            spreads = [_with_spread(score, metric) for metric in ("dice", "nsd")]
            rows.append([name, group, _text(score.get("cases")), *spreads, behind])
    if not rows:
        return "None yet."
    return _markdown_table(["model", "group", "cases", "DSC", "NSD", "last stage is ahead by"], rows)


def _with_spread(score: Mapping[str, Any], metric: str) -> str:
    mean, spread = score.get(metric), score.get(f"{metric}_sd")
    if mean is None or math.isnan(mean):
        return _NONE
    return f"{mean:.3f}" if spread is None or math.isnan(spread) else f"{mean:.3f} +- {spread:.3f}"


def _fills_markdown(stages: Sequence[Record]) -> str:
    rows = []
    for record in stages:
        for fill in record.get("fill") or ():
            model = f"{_text(fill.get('model_stage'))} ({_text(fill.get('model_sha256'))[:8]})"
            cells = [str(fill["group"]), model, _text(fill.get("cases")), _suspicious_text(record, fill)]
            rows.append([_name(record), *cells, _clock(fill.get("seconds"))])
    if not rows:
        return "None yet."
    return _markdown_table(["for stage", "group", "by the model of", "cases", "suspicious", "time"], rows)


def _suspicious_text(record: Record, fill: Mapping[str, Any]) -> str:
    """The number of the group, else that of the stage."""
    if fill.get("suspicious") is not None or record.get("suspicious") is None:
        return _text(fill.get("suspicious"))
    return f"{record['suspicious']}" if len(record["fill"]) == 1 else f"{record['suspicious']} in all groups"


def _set_aside_markdown(set_aside: Mapping[str, str]) -> str:
    if not set_aside:
        return "None."
    rows = [[name, reason] for name, reason in list(set_aside.items())[:LISTED_CASES]]
    table = _markdown_table(["case", "reason"], rows)
    hidden = len(set_aside) - LISTED_CASES
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
  `contact_sheet.png` beside it.
- "model" is the beginning of the SHA-256 checksum of the stage's network, the same as in the sidecar of every label
  that it made."""


def _box_left(number: int) -> float:
    return _SIDE + number * (_BOX + _SPACE)


def _stage_places(stages: Sequence[Record]) -> dict[str, int]:
    return {_name(record): number for number, record in enumerate(stages)}


def _arrows(stages: Sequence[Record]) -> dict[tuple[int, int], list[str]]:
    """From stage, to stage -> the groups that are filled."""
    places = _stage_places(stages)
    arrows: dict[tuple[int, int], list[str]] = {}
    for number, record in enumerate(stages):
        for fill in record.get("fill") or ():
            source = places.get(str(fill.get("model_stage")))
            if source is not None and source != number:
                arrows.setdefault((source, number), []).append(str(fill["group"]))
    return arrows


def _arc_room(stages: Sequence[Record]) -> float:
    """Height above the boxes for the arrows that pass over some."""
    return 0.38 * max((abs(to - start) - 1 for start, to in _arrows(stages)), default=0) + 0.05


def _draw_flow(axes: Axes, stages: Sequence[Record], box_height: float) -> None:
    counts = [case_counts(record) for record in stages]
    most = max((sum(count) for groups in counts for count in groups.values()), default=1)
    bottom = 0.4
    if not stages:
        axes.text(_SIDE, bottom + box_height / 2, "no stage has begun", color=_SOFT, fontsize=11)
    for number, record in enumerate(stages):
        _draw_stage(axes, record, (_box_left(number), bottom), box_height)
        for row, (group, count) in enumerate(counts[number].items()):
            y = bottom + box_height - 0.82 - row * _BAR_HEIGHT
            _draw_bar(axes, group, count, (_box_left(number) + 0.13, y), max(most, 1))
    arrows = _arrows(stages)
    for (start, to), names in arrows.items():
        _draw_arrow(axes, start, to, [_shortened(name, 17) for name in names], bottom, box_height)
    for start, to in pairwise(range(len(stages))):
        if (start, to) not in arrows:
            y = bottom + box_height / 2
            axes.plot([_box_left(start) + _BOX + 0.1, _box_left(to) - 0.1], [y, y], color="0.85", linewidth=1)


def _draw_stage(axes: Axes, record: Record, place: tuple[float, float], height: float) -> None:
    x, y = place
    is_done = record.get("state") == DONE
    style: dict[str, Any] = {
        "facecolor": "0.975" if is_done else "white",
        "edgecolor": "0.6",
        "linestyle": "-" if is_done else "--",
    }
    shape = "round,pad=0,rounding_size=0.09"
    axes.add_patch(FancyBboxPatch((x, y), _BOX, height, boxstyle=shape, linewidth=1.1, **style))
    top = y + height
    axes.text(x + 0.13, top - 0.13, _shortened(_name(record), 21), fontsize=11, weight="bold", va="top", color=_INK)
    parts = [] if is_done else [_text(record.get("state") or "not begun")]
    if record.get("epochs") is not None:
        parts.append(f"{record['epochs']} epoch{'' if record['epochs'] == 1 else 's'}")
    if (seconds := _seconds(record)) is not None:
        parts.append(_clock(seconds))
    axes.text(x + 0.13, top - 0.37, "   ".join(parts), fontsize=8, va="top", color=_SOFT)


def _draw_bar(axes: Axes, group: str, count: CaseCount, place: tuple[float, float], most: int) -> None:
    x, y = place
    length = _BOX - 0.26
    axes.text(x, y + 0.065, _shortened(group, 28), fontsize=7.5, color=_INK, va="bottom")
    axes.text(x + length, y + 0.065, str(sum(count)), fontsize=7.5, color=_INK, va="bottom", ha="right")
    axes.add_patch(Rectangle((x, y - 0.05), length, 0.1, facecolor="0.91", linewidth=0))
    for cases, colour in zip(count, (_ANNOTATED, _FILLED_BEFORE, _FILLED), strict=True):
        axes.add_patch(Rectangle((x, y - 0.05), length * cases / most, 0.1, facecolor=colour, linewidth=0))
        x += length * cases / most


def _shortened(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 6]}...{name[-3:]}"


def _draw_arrow(axes: Axes, start: int, to: int, groups: Sequence[str], bottom: float, box_height: float) -> None:
    """Straight to the next stage, over the boxes between to a later one."""
    text = "fills\n" + "\n".join(groups)
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 13, "color": _FILLED, "linewidth": 1.8}
    style: dict[str, Any] = {"fontsize": 7.5, "color": _INK, "ha": "center"}
    if abs(to - start) == 1:
        y = bottom + box_height / 2
        left, right = _box_left(start) + _BOX + 0.06, _box_left(to) - 0.06
        axes.add_patch(FancyArrowPatch((left, y), (right, y), shrinkA=0, shrinkB=0, **look))
        axes.text((left + right) / 2, y + 0.09, text, va="bottom", linespacing=1.2, **style)
        return
    top = bottom + box_height
    rise = 0.38 * (abs(to - start) - 1)
    left, right = _box_left(start) + 0.72 * _BOX, _box_left(to) + 0.28 * _BOX
    corners = f"bar,angle=180,fraction={-rise / abs(right - left):.4f}"
    ends = ((left, top + 0.04), (right, top + 0.04))
    axes.add_patch(FancyArrowPatch(*ends, connectionstyle=corners, shrinkA=0, shrinkB=0, **look))
    axes.text((left + right) / 2, top + 0.04 + rise + 0.03, f"fills {', '.join(groups)}", va="bottom", **style)


def _draw_flow_legend(figure: Figure, corner: tuple[float, float]) -> None:
    meanings = {
        _ANNOTATED: "cases with annotations only",
        _FILLED_BEFORE: "filled for an earlier stage",
        _FILLED: "filled for this stage",
    }
    handles = [Patch(facecolor=colour, label=label) for colour, label in meanings.items()]
    style: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "handlelength": 1.3, "borderpad": 0}
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, ncols=3, columnspacing=1.5, **style)


def _draw_scores(axes: Axes, group: str, stages: Sequence[Record], controls: Sequence[Record], is_last: bool) -> None:
    centres = [_box_left(number) + _BOX / 2 for number in range(len(stages))]
    dice = np.array([_nan(_score(record, group)) for record in stages])
    nsd = np.array([_nan(_score(record, group, "nsd")) for record in stages])
    levels = [(_name(record), _score(record, group)) for record in controls]
    known = np.array([*dice, *nsd, *(_nan(level) for _, level in levels)])
    low, high = _score_range(known[np.isfinite(known)])
    axes.set_ylim(low, high)
    for number, (_, level) in enumerate(levels):
        if level is not None:
            axes.axhline(level, color=_CONTROL_COLOURS[number % len(_CONTROL_COLOURS)], linestyle=(0, (5, 3)), lw=1.3)
    _label_controls(axes, levels)
    _draw_line(axes, centres, nsd, "NSD", _SOFT, "o", filled=False)
    _draw_line(axes, centres, dice, "DSC", _ANNOTATED, "o", filled=True)
    for x, value, other, gain in zip(centres, dice, nsd, gains(stages), strict=True):
        if np.isfinite(value):
            _label_point(axes, x, float(value), gain.get(group), above=bool(other < value))
    axes.set_title(group, fontsize=11, weight="bold", loc="left", color=_INK, pad=5)
    axes.set_xticks(centres, [_name(record) for record in stages] if is_last else [""] * len(stages))
    axes.tick_params(axis="both", labelsize=8.5, length=0, colors=_INK)
    axes.grid(axis="y", color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)


def _nan(value: float | None) -> float:
    return math.nan if value is None else value


def _score_range(values: np.ndarray) -> tuple[float, float]:
    """All values with room for their labels; a range below 0.15 would make noise look like progress."""
    low, high = float(values.min()), float(values.max())
    room = max(high - low, 0.15)
    return low - 0.35 * room, high + 0.35 * room


def _draw_line(
    axes: Axes, x: Sequence[float], y: np.ndarray, label: str, colour: str, marker: str, filled: bool
) -> None:
    finite = np.isfinite(y)
    if not finite.any():
        return
    style: dict[str, Any] = {"markerfacecolor": colour if filled else "white", "markersize": 6, "markeredgewidth": 1.3}
    width = 2.0 if filled else 1.2
    places = np.asarray(x)[finite]
    axes.plot(places, y[finite], color=colour, linewidth=width, marker=marker, zorder=3, **style)
    at: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "va": "center", "bbox": _ON_WHITE}
    axes.annotate(label, (places[0], y[finite][0]), (-9, 0), fontsize=8.5, color=colour, **at)


def _label_point(axes: Axes, x: float, value: float, gain: float | None, above: bool) -> None:
    """The value and behind it the gain, on the side of the point where no other curve is."""
    at: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8.5, "bbox": _ON_WHITE}
    y = 12 if above else -12
    axes.annotate(f"{value:.3f}", (x, value), (-1 if gain is not None else 14, y), ha="right", color=_INK, **at)
    if gain is not None:
        colour = class_colour(3) if gain > 0 else class_colour(5) if gain < 0 else _SOFT
        axes.annotate(f"{gain:+.3f}", (x, value), (4, y), ha="left", color=colour, weight="bold", **at)


def _label_controls(axes: Axes, levels: Sequence[tuple[str, float | None]]) -> None:
    """Name and value at the right of each line, moved apart where lines are close."""
    low, high = axes.get_ylim()
    step = 0.115 * (high - low)
    shown = sorted((level, number, name) for number, (name, level) in enumerate(levels) if level is not None)
    places: list[float] = []
    for level, _, _ in shown:
        places.append(level if not places else max(level, places[-1] + step))
    for (level, number, name), place in zip(shown, places, strict=True):
        colour = _CONTROL_COLOURS[number % len(_CONTROL_COLOURS)]
        axes.annotate(
            f"{name} {level:.3f}",
            (1, place),
            (5, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
        )
