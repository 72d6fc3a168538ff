"""What differs between the inputs of a run when it was begun and now."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

LISTED_CHANGES = 8


def changes(before: Any, now: Any, key: str = "") -> list[str]:
    """What differs between two inputs, a line each: key, old value, new value."""
    if before == now:
        return []
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return [f"{key} {_short(before)} -> {_short(now)}"]
    lines = []
    for name in [*before, *(one for one in now if one not in before)]:
        path = f"{key} {name}".strip()
        if name in before and name in now:
            lines += changes(before[name], now[name], path)
        else:
            lines.append(f"{path} is {'new' if name in now else 'gone'}")
    return lines


def shortened(lines: Sequence[str]) -> str:
    """Several changes in one line."""
    hidden = [f"and {len(lines) - LISTED_CHANGES} more"] if len(lines) > LISTED_CHANGES else []
    return "; ".join([*lines[:LISTED_CHANGES], *hidden])


def digest(inputs: Any) -> str:
    """Short checksum of what a run's result follows from."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:12] + "..."
