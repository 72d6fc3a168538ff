"""The sections of a page that say how its figures came about: stages, efficiency, curves, settings, versions, times."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ...errors import InputError
from ..stage_records import DONE, Record, clock, seconds_of, text_of
from .curve_chart import training_charts
from .efficiency import efficiency_cells, labelling_cells, measured
from .page_parts import Picture, Section, Table
from .results import RECIPE, Results

PLAN = Path("models") / "plan.yaml"
MEASURE = "Memory and areas: run a command under python -m custom measure, with --output FILE.json in the work folder."


def efficiency_section(results: Results) -> Section:
    """Time and memory of inference (Table 7), and the time that a recipe's models took to label groups."""
    found = [one for place in results.measured for one in measured(place)]
    words = [
        "MB are 1048576 bytes; areas are integrals over the running time of a case. FLARE23 tolerates 15 s and 4 GB."
    ]
    tables = [Table(efficiency_cells(found), "Commands under python -m custom measure")] if found else []
    labelled = labelling_cells(results.records)
    if len(labelled) > 1:
        tables.append(Table(labelled, "Labelling in the recipe: the network's time, without reading and writing"))
        words += [] if found else [MEASURE]
    pictures = [
        Picture(one.picture, f"GPU memory, CPU and memory of {one.name} over its time") for one in found if one.picture
    ]
    return Section("efficiency", "Efficiency", words, tables, (), pictures)


def curve_section(results: Results) -> Section:
    """Training curves."""
    logs = {one.name: [run / "output" / "log.csv" for run in one.trainings] for one in results.methods}
    words = ["Each curve is the mean over a method's trainings (folds and seeds)."] if results.kind != RECIPE else []
    return Section("curves", "Training curves", words, charts=training_charts(logs))


def setting_section(results: Results) -> Section:
    """What is different between the methods, what they share, and the plan they were trained with."""
    keys = list(dict.fromkeys(key for one in results.methods for key in one.settings))
    lines = [["method", *keys]]
    lines += [[one.name, *(shown(one.settings.get(key)) for key in keys)] for one in results.methods]
    tables = [Table(lines, "Settings of each method; a dash is the default", words=True)] if keys else []
    plan = first_plan(results)
    parts = {
        "Shared by all": {key: value for key, value in results.shared.items() if value},
        "Plan of the first training": {key: value for key, value in plan.items() if key != "fingerprint"},
        "Data fingerprint": plan.get("fingerprint") or {},
    }
    tables += [
        Table([["entry", "value"], *map(list, entries(part))], caption, words=True)
        for caption, part in parts.items()
        if part
    ]
    return Section("settings", "Settings and data", tables=tables, folded=True)


def entries(values: Mapping[str, Any], parent: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a mapping that is not itself a mapping, under the keys that lead to it.

    >>> list(entries({"spacing": {"R": [1, 2]}, "name": "spine"}))
    [('spacing, R', '[1, 2]'), ('name', 'spine')]
    """
    for key, value in values.items():
        name = f"{parent}, {key}" if parent else str(key)
        if isinstance(value, Mapping) and value:
            yield from entries(value, name)
        else:
            yield name, shown(value)


def first_plan(results: Results) -> dict[str, Any]:
    """The plan of the first training that wrote one. Raises InputError: it is damaged."""
    file = next((file for one in results.methods for run in one.trainings if (file := run / PLAN).is_file()), None)
    if file is None:
        return {}
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{file}: cannot be read as YAML ({type(error).__name__}); restore or remove it") from error
    return content if isinstance(content, dict) else {}


def shown(value: Any) -> str:
    """A value in one line."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def run_section(results: Results) -> Section:
    """When the runs were done, how long they took, and with which versions."""
    lines = [["run", "state", "begun", "finished", "training time"]]
    for record in results.records:
        moments = [text_of(record.get(key)).replace("T", " ")[:19] for key in ("begun", "finished")]
        seconds = seconds_of(record)
        lines.append([str(record["run"]), text_of(record.get("state")), *moments, clock(seconds) if seconds else "-"])
    tables = [Table(lines, shown=20, words=True)] if results.records else []
    if used := versions_of(results.records):
        cells = [[name, ", ".join(found)] for name, found in used.items()]
        tables.append(Table([["package", "version"], *cells], "Versions that the runs used", words=True))
    left_out = [(one["run"], *item) for one in results.records for item in (one.get("left_out") or {}).items()]
    missing = {f"{scan} ({run})": str(why) for run, scan, why in left_out} | dict(results.excluded)
    if missing:
        tables.append(Table([["scan left out", "reason"], *map(list, missing.items())], shown=20, words=True))
    return Section("runs", "Runs, times and versions", tables=tables, folded=True)


def versions_of(records: Sequence[Record]) -> dict[str, list[str]]:
    """Package -> its versions in the runs that recorded them; several where it changed between runs."""
    found: dict[str, list[str]] = {}
    for record in records:
        for name, version in (record.get("versions") or {}).items():
            if str(version) not in found.setdefault(name, []):
                found[name].append(str(version))
    return found


def done(results: Results) -> int:
    """How many runs are done."""
    return sum(record.get("state") == DONE for record in results.records)
