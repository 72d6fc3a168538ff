"""Time and memory of inference as FLARE counts them (Table 7 of the FLARE23 paper), from files of `measure`.

And the time that a recipe's models took to label groups, from its records.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import InputError
from ...io.json_file import read_json
from ..stage_records import Record, clock

MARK = "flare23_tolerances"  # an entry that only files of `measure` have
FOLDERS = (".", "efficiency", "output")
DASH = "-"


class Measured(NamedTuple):
    """What `measure` wrote: its figures and the picture of their curves as a data address."""

    name: str
    use: dict[str, Any]
    picture: str


def measured(folder: Path) -> list[Measured]:
    """All measurements in a work folder and its folder `efficiency`."""
    found = []
    for file in sorted(one for place in FOLDERS for one in (folder / place).glob("*.json")):
        try:
            use = read_json(file, {})
        except InputError:  # a list, of whatever
            continue
        if MARK in use:
            picture = file.with_suffix(".png")
            data = base64.b64encode(picture.read_bytes()).decode("ascii") if picture.is_file() else ""
            found.append(Measured(file.stem, use, data and f"data:image/png;base64,{data}"))
    return found


def efficiency_cells(found: list[Measured]) -> list[list[str]]:
    """Titles and a line for each measurement; MB are 2^20 bytes."""
    titles = ["measured", "cases", "s per case", "GPU memory [MB]", "GPU area [MB s]", "CPU area [% s]", "memory [MB]"]
    lines = [[*titles, "FLARE23 tolerances"]]
    for one in found:
        use, gpu = one.use, one.use.get("gpu") or {}
        cells = [one.name, str(use["cases"]), f"{use['seconds_per_case']:.1f}"]
        cells += [f"{gpu[key]:.0f}" if key in gpu else DASH for key in ("maximum_mb", "area_mb_s_per_case")]
        cells += [f"{use['cpu']['area_percent_s_per_case']:.0f}", f"{use['memory']['maximum_mb']:.0f}"]
        kept = [check["kept"] for check in use[MARK].values()]
        verdict = "exceeded" if False in kept else "kept" if True in kept else DASH
        lines.append([*cells, verdict + (" (GPU not measured)" if None in kept else "")])
    return lines


def labelling_cells(records: Sequence[Record]) -> list[list[str]]:
    """Titles and a line for each group that a stage labelled: by which model, cases and time."""
    lines = [["stage", "group", "model of", "cases", "time", "s per case"]]
    for record in records:
        for fill in record.get("fill") or ():
            seconds, cases = float(fill.get("seconds") or 0), int(fill.get("cases") or 0)
            if seconds and cases:
                times = [clock(seconds), f"{seconds / cases:.2f}"]
                lines.append([str(record["run"]), fill["group"], fill["model_stage"], str(cases), *times])
    return lines
