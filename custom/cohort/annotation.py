"""Which classes are annotated in each case: those in its label, those of its source group, or as given."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..datalist.class_names import comparable
from ..datalist.folder_layouts import scan_name
from ..errors import InputError
from .manifest import listed, raise_faults
from .sources import FoundCase, read_csv

logger = logging.getLogger(__name__)

VALUES, SOURCE, GIVEN = "values", "source", "given"
WAYS = (VALUES, SOURCE, GIVEN)

Ids = tuple[int, ...]


def annotated_by_values(present: Mapping[str, Ids]) -> dict[str, Ids]:
    """Case name -> annotated classes: those whose values its label holds.

    `present` has the classes in the label of every labelled case, sorted.
    """
    logger.warning(
        "annotated: decided from the values present in each label. A class without a voxel counts as NOT annotated in "
        "that case, even where it was looked for and is not there; in validation cases it is not scored. Where a label "
        "is known to be complete, pass --annotated_by source or given"
    )
    return dict(present)


def annotated_by_source(
    cases: Sequence[FoundCase], present: Mapping[str, Ids], classes: Sequence[str]
) -> dict[str, Ids]:
    """Case name -> annotated classes: those found in any label of the same source group.

    Each group is logged with its classes and the class found in fewest of its cases: a group that was pooled by
    mistake shows there.
    """
    members: dict[str, list[str]] = {}
    for case in cases:
        if case.name in present:
            members.setdefault(case.source, []).append(case.name)
    logger.info("annotated: decided from the source group: a class found in any label of a group is so in all of it")
    annotated: dict[str, Ids] = {}
    for source, names in sorted(members.items()):
        counts = {number: sum(number in present[name] for name in names) for number in range(1, len(classes) + 1)}
        union = tuple(number for number, count in counts.items() if count)
        annotated |= dict.fromkeys(names, union)
        shown = ", ".join(classes[number - 1] for number in union) or "nothing"
        logger.info("  group %s, %d cases: %s", source or "(no name)", len(names), shown)
        rarest = min(union, key=lambda number: counts[number], default=0)
        if rarest and 2 * counts[rarest] < len(names):
            logger.warning(
                "  group %s: %s is in only %d of its %d labels, yet counts as annotated in all; if that is wrong, give "
                "the groups in a CSV's column source, or pass --annotated_by values",
                source or "(no name)",
                classes[rarest - 1],
                counts[rarest],
                len(names),
            )
    return annotated


def table_named(annotated: str | Sequence[str] | None) -> str | None:
    """The CSV that an argument names instead of classes, None where it names none."""
    names = [annotated] if isinstance(annotated, str) else list(annotated or ())
    return names[0].strip() if len(names) == 1 and names[0].strip().lower().endswith(".csv") else None


def with_given_table(cases: Sequence[FoundCase], table: Path) -> list[FoundCase]:
    """The cases, each with its cell "annotated" of a CSV with the columns case (or name) and annotated.

    Raises InputError: the CSV cannot be read, lacks a column, or names a case twice or one that there is not.
    """
    columns, lines = read_csv(table)
    rows = [row for _, row in lines]
    column = next((name for name in ("case", "name") if rows and name in columns), None)
    if column is None or "annotated" not in columns:
        found = ", ".join(columns) if rows else "no row"
        raise InputError(f"{table}: has {found}; give it the columns case and annotated, and a row for each case")
    known, given = {case.name for case in cases}, [(scan_name(row[column]), row["annotated"]) for row in rows]
    counts = Counter(name for name, _ in given)
    faults = [f"case {name}: has {count} rows; keep one" for name, count in counts.items() if count > 1]
    faults += [
        f"case {name}: there is no such scan; correct the name or remove the row"
        for name in counts
        if name not in known
    ]
    raise_faults(table, faults)
    cells = dict(given)
    return [replace(case, given=cells.get(case.name)) for case in cases]


def annotated_as_given(
    cases: Sequence[FoundCase], present: Mapping[str, Ids], classes: Sequence[str], everywhere: str | None, path: Path
) -> dict[str, Ids]:
    """Case name -> annotated classes: `everywhere` in every label, else as each case's own cell says.

    Args:
        cases: labelled or not; those not in `present` are passed over.
        everywhere: class names or ids with ";" between, for all labels.

    Raises InputError: a case has no cell, a class is unknown, or a label holds a class that is not given for it.
    """
    if everywhere is not None:
        common = parse_classes(everywhere, classes, "annotated")
        logger.info("annotated: as given, in every label: %s", ", ".join(classes[number - 1] for number in common))
    else:
        logger.info('annotated: as given in the column "annotated" of %s', path)
    annotated: dict[str, Ids] = {}
    faults = []
    for case in cases:
        if case.name not in present:
            continue
        try:
            annotated[case.name] = common if everywhere is not None else _given(case, classes)
        except InputError as error:
            faults.append(str(error))
            continue
        extra = [classes[number - 1] for number in present[case.name] if number not in annotated[case.name]]
        if extra:
            faults.append(
                f"case {case.name}: its label holds voxels of {', '.join(extra)}, not given as annotated; add the "
                "class, or remove its voxels from the label"
            )
    raise_faults(path, faults)
    return annotated


def parse_classes(text: str, classes: Sequence[str], where: str) -> Ids:
    """Sorted ids of classes given by name (in any spelling) or id, with ";", "," or blanks between.

    >>> parse_classes("Left Kidney; 1", ("liver", "left_kidney"), "annotated")
    (1, 2)
    >>> parse_classes("liver left_kidney", ("liver", "left_kidney"), "annotated")
    (1, 2)
    """
    words = [word.strip() for word in text.replace(",", ";").split(";") if word.strip()]
    if not words:
        raise InputError(f"{where} is empty; name one class or more of {', '.join(classes)}")
    known_as = [comparable(name) for name in classes]
    if len(words) == 1 and comparable(words[0]) not in known_as:  # blanks, which a name may hold too
        words = words[0].split()
    ids = set()
    for word in words:
        if word.isdecimal() and 1 <= int(word) <= len(classes):
            ids.add(int(word))
        elif comparable(word) in known_as:
            ids.add(known_as.index(comparable(word)) + 1)
        else:
            raise InputError(f"{where}: {word!r} is none of the {len(classes)} classes {listed(classes)}; correct it")
    return tuple(sorted(ids))


def _given(case: FoundCase, classes: Sequence[str]) -> Ids:
    if case.given is None:
        raise InputError(f'case {case.name} has no "annotated"; fill that column of a CSV, or pass --annotated "a;b"')
    return parse_classes(case.given, classes, f"case {case.name}: annotated")
