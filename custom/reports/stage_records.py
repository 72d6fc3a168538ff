"""What stages of a pipeline have recorded: their cases, scores, gains and times, where known."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]  # a stage's record.json; keys may be absent

DONE = "done"  # the state of a stage that has finished
NONE = "-"  # what is not known


def split_controls(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """The stages, and the records whose "control" is true."""
    return [r for r in records if not r.get("control")], [r for r in records if r.get("control")]


def score_groups(records: Sequence[Record]) -> list[str]:
    """The names of the groups of scores, in the order they first appear."""
    return list(dict.fromkeys(group for record in records for group in record.get("scores") or {}))


def gains(records: Sequence[Record]) -> list[dict[str, float]]:
    """For each stage: group -> difference of Dice from the last stage before that has it."""
    last: dict[str, float] = {}
    found = []
    for record in records:
        values = {group: score_of(record, group) for group in record.get("scores") or {}}
        known = {group: value for group, value in values.items() if value is not None}
        found.append({group: value - last[group] for group, value in known.items() if group in last})
        last |= known
    return found


def mean_record(records: Sequence[Record], scores: str = "scores") -> dict[str, Any]:
    """One record of a stage that ran with several seeds: the first's, with the means of their scores and their times.

    `scores` is the key of what becomes its "scores". The state is that of a seed that is not done, if any is not.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for record in records:
        for group, row in (record.get(scores) or {}).items():
            for key, value in row.items():
                if value is not None and not math.isnan(value):
                    found.setdefault(group, {}).setdefault(key, []).append(float(value))
    means = {group: {key: sum(x) / len(x) for key, x in row.items()} for group, row in found.items()}
    joint = {**records[0], "scores": means}
    seconds = [one["training_seconds"] for one in records if one.get("training_seconds") is not None]
    if seconds:
        joint["training_seconds"] = sum(seconds) / len(seconds)
    waiting = [one.get("state") for one in records if one.get("state") != DONE]
    return {**joint, "state": waiting[0]} if waiting else joint


def stage_name(record: Record) -> str:
    """Name of the stage."""
    return str(record.get("stage") or NONE)


def score_of(record: Record, group: str, metric: str = "dice") -> float | None:
    """The metric of a group of scores; none where it is not known or no case has one."""
    value = ((record.get("scores") or {}).get(group) or {}).get(metric)
    return None if value is None or math.isnan(value) else float(value)


def score_text(record: Record, group: str) -> str:
    """Dice, and NSD where it is known, of a group of scores."""
    dice, nsd = score_of(record, group), score_of(record, group, "nsd")
    if dice is None:
        return NONE
    return f"{dice:.3f}" if nsd is None else f"{dice:.3f}/{nsd:.3f}"


def seconds_of(record: Record) -> float | None:
    """Time of filling and training, as far as known."""
    parts = [record.get("training_seconds"), *(fill.get("seconds") for fill in record.get("fill") or ())]
    known = [float(part) for part in parts if part is not None]
    return sum(known) if known else None


def clock(seconds: float | None) -> str:
    """Hours:minutes:seconds."""
    if seconds is None:
        return NONE
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def text_of(value: Any) -> str:
    """The value as text, a dash where there is none."""
    return NONE if value is None else str(value)
