"""A cohort: cases of which each is annotated for some of the classes, listed in one JSON manifest."""

import json
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datalist.class_names import checked_class_names
from ..datalist.output_names import COMPANIONS
from ..errors import LISTED_FAULTS, InputError, listed_faults
from ..io.atomic_write import write_json
from ..io.write_errors import reporting_unwritable
from ..options.kinds import SWITCH

# FLARE's classes in the order of their ids, 1 to 14.
FLARE_CLASSES = (
    *("liver", "right_kidney", "spleen", "pancreas", "aorta", "inferior_vena_cava", "right_adrenal"),
    *("left_adrenal", "gallbladder", "oesophagus", "stomach", "duodenum", "left_kidney", "tumour"),
)
FLARE_DATASET2 = ("liver", "right_kidney", "spleen", "pancreas", "left_kidney", "tumour")

TRAINING, VALIDATION, TEST = USES = "training", "validation", "test"

CONFIDENCE = COMPANIONS["confidence"][0]
_CASE_KEYS = ("name", "image", "label", "annotated", "use", "source")
_RULE_KEYS = ("annotated", "not_annotated", "any_annotated")


@dataclass(frozen=True)
class CohortCase:
    """One case: its files, the ids of the classes annotated in it (sorted), and what it is used for.

    A case has a label exactly if some class is annotated. A voxel of a class that is not annotated is 0 in the label.
    `use` is "training", "validation" or "test"; `source` names the data set the case came from, where known.
    """

    name: str
    image: str
    label: str | None
    annotated: tuple[int, ...] = ()
    use: str = TRAINING
    source: str = ""


@dataclass(frozen=True)
class Cohort:
    """Cases and their classes; the id of a class is its position in `classes` plus 1, background is 0.

    `lesions` are the ids of classes that lie inside others; `annotation_source` says in one line how it was decided
    which classes are annotated.
    """

    name: str
    classes: tuple[str, ...]
    lesions: tuple[int, ...]
    cases: tuple[CohortCase, ...]
    annotation_source: str = ""

    @property
    def num_classes(self) -> int:
        """Number of classes with the background."""
        return len(self.classes) + 1

    @property
    def organs(self) -> tuple[int, ...]:
        """Ids of the classes that are no lesions."""
        return tuple(number for number in range(1, self.num_classes) if number not in self.lesions)

    @property
    def training(self) -> tuple[CohortCase, ...]:
        """The cases to train on, labelled or not."""
        return tuple(case for case in self.cases if case.use == TRAINING)

    @property
    def validation(self) -> tuple[CohortCase, ...]:
        """The cases kept out of training, on which models are judged and chosen; each has a label."""
        return tuple(case for case in self.cases if case.use == VALIDATION)

    @property
    def test(self) -> tuple[CohortCase, ...]:
        """The cases on which finished models are scored and by which nothing is decided; each has a label."""
        return tuple(case for case in self.cases if case.use == TEST)

    def class_ids(self, names: Sequence[str]) -> tuple[int, ...]:
        """Ids of classes given by name, in the order given. Raises InputError: a name is none of the classes."""
        for name in names:
            if name not in self.classes:
                raise InputError(
                    f"{name!r} is none of the cohort's classes {', '.join(self.classes)}; correct the name"
                )
        return tuple(self.classes.index(name) + 1 for name in names)

    def class_names(self, ids: Sequence[int]) -> tuple[str, ...]:
        """Names of classes given by id (from 1), in the order given."""
        return tuple(self.classes[number - 1] for number in ids)


def read_cohort(file: str | Path) -> Cohort:
    """The cohort of a manifest, with absolute paths. The files of the cases are not opened, nor need they exist.

    Raises InputError: the manifest is missing or no JSON; else one line for each fault in it: case, key, value, remedy.
    """
    path = Path(file)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); pass a cohort manifest, made by python -m custom cohort"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON ({error}); correct it or make it again") from error
    return _parse(content, path)


def write_cohort(file: str | Path, cohort: Cohort, description: str = "") -> None:
    """Write the manifest, atomically; files below its folder are named relative to it, so that both can move.

    Raises InputError: the cohort has faults, as in `read_cohort`, or the file cannot be written.
    """
    path = Path(file)
    entries = [
        {
            "name": case.name,
            "image": _relative(case.image, path.parent),
            "label": None if case.label is None else _relative(case.label, path.parent),
            "annotated": list(cohort.class_names(case.annotated)),
            "use": case.use,
            **({"source": case.source} if case.source else {}),
        }
        for case in cohort.cases
    ]
    content = {
        "name": cohort.name,
        "description": description,
        "classes": list(cohort.classes),
        "lesions": list(cohort.class_names(cohort.lesions)),
        "annotation_source": cohort.annotation_source,
        "cases": entries,
    }
    _parse(content, path)
    with reporting_unwritable(path, "choose another place"):
        write_json(path, content)


def default_group_rules(cohort: Cohort) -> dict[str, dict[str, Any]]:
    """The paper's dataset1 to dataset4 as rules for `group_cases`, ordered.

    dataset1 has every class that is no lesion annotated and is left out without any case, dataset2, for FLARE's classes
    only, liver, kidneys, spleen, pancreas and tumour, dataset3 anything else, dataset4 nothing.
    """
    organs = set(cohort.organs)
    rules: dict[str, dict[str, Any]] = {}
    is_flare = set(FLARE_DATASET2) <= set(cohort.classes)
    if is_flare or (organs and any(organs <= set(case.annotated) for case in cohort.training)):
        rules["dataset1"] = {"annotated": list(cohort.class_names(cohort.organs))}
    if is_flare:
        rules["dataset2"] = {"annotated": list(FLARE_DATASET2)}
    return rules | {"dataset3": {"any_annotated": True}, "dataset4": {"any_annotated": False}}


def group_cases(
    cases: Sequence[CohortCase], rules: Mapping[str, Mapping[str, Any]], cohort: Cohort
) -> dict[str, list[CohortCase]]:
    """Group name -> its cases, by the classes annotated in them alone; each case goes to the first rule that holds.

    Args:
        rules: group name -> ``{"annotated": [names of classes that must all be annotated], "not_annotated": [names of
            classes that must not be], "any_annotated": true (at least one class is) or false (none is)}``, tried in
            this order; every key may be left out.

    Raises InputError: a rule has another key, value or an unknown class; a case is taken by no rule.
    """
    tests = {name: _parse_rule(name, rule, cohort) for name, rule in rules.items()}
    groups: dict[str, list[CohortCase]] = {name: [] for name in rules}
    for case in cases:
        taken = next((name for name, test in tests.items() if test(case)), None)
        if taken is None:
            names = ", ".join(cohort.class_names(case.annotated)) or "nothing"
            raise InputError(
                f"case {case.name}, annotated: {names}, belongs to none of the groups {', '.join(rules)}; "
                'add a group for it, such as {"any_annotated": true}'
            )
        groups[taken].append(case)
    return groups


def is_case_name(name: str) -> bool:
    """Whether files can be named after the case: neither empty nor hidden, in no other folder."""
    return bool(name.strip()) and not name.startswith(".") and not {"/", "\\"} & set(name)


def repeated_cases(cases: Sequence[CohortCase]) -> list[str]:
    """One line for each name and each file that occurs twice; training and test cases would share what they must not.

    Names are equal where some file systems take them for equal, and none may be that of another's confidence map. Links
    are followed for images only: where equal files are kept once, all labels without foreground are one.
    """
    spelt: dict[str, list[str]] = {}
    for case in cases:
        spelt.setdefault(one_spelling(case.name), []).append(case.name)
    faults = []
    for names in spelt.values():
        kinds = f" ({', '.join(dict.fromkeys(names))})" if len(set(names)) > 1 else ""
        if len(names) > 1:
            faults.append(f"case {names[0]}: {len(names)} cases have this name{kinds}; rename them")
        if one_spelling(names[0] + CONFIDENCE) in spelt:
            faults.append(f"case {names[0]}{CONFIDENCE}: the confidence map of {names[0]} has this name; rename it")
    first: dict[str, tuple[str, str]] = {}
    for case in cases:
        given = {"image": case.image} | ({"label": case.label} if case.label else {})
        for kind, path in given.items():
            file, use = (os.path.realpath if kind == "image" else os.path.normpath)(path), (case.name, kind)
            other, other_kind = first.setdefault(file, use)
            if (other, other_kind) != use:
                what = f"its {kind} {os.path.normpath(path)} is the {other_kind} of case {other} too"
                faults.append(f"case {case.name}: {what}; remove one")
    return faults


def one_spelling(name: str) -> str:
    """A name as file systems compare it that do not tell capitals, or the forms of an accent, apart.

    >>> one_spelling("Case_U\u0308") == one_spelling("case_\u00fc")
    True
    """
    return unicodedata.normalize("NFC", name).casefold()


def listed(values: Sequence[Any]) -> str:
    """The first ten, with a comma between."""
    return ", ".join(map(str, values[:LISTED_FAULTS])) + (", ..." if len(values) > LISTED_FAULTS else "")


def raise_faults(path: Path, faults: Sequence[str]) -> None:
    """Refuse a file with faults, one line each; of more than ten the rest is counted.

    Raises InputError: there is a fault.
    """
    if faults:
        raise listed_faults(str(path) if len(faults) == 1 else f"{path} has {len(faults)} faults", faults)


def _parse_rule(name: str, rule: Any, cohort: Cohort) -> Callable[[CohortCase], bool]:
    """Whether a case belongs to a group."""
    if not isinstance(rule, Mapping) or not set(rule) <= set(_RULE_KEYS):
        raise InputError(f"group {name}: its rule {rule!r} must be a mapping with the keys {', '.join(_RULE_KEYS)}")
    ids = {}
    for key in ("annotated", "not_annotated"):
        names = rule.get(key, ())
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise InputError(f"group {name}: {key!r} is {names!r}; it must be a list of class names")
        try:
            ids[key] = set(cohort.class_ids(names))
        except InputError as error:
            raise InputError(f"group {name}: {key!r}: {error}") from error
    some = rule.get("any_annotated")
    try:
        some = None if some is None else SWITCH.read(some)  # a word on the command line
    except ValueError:
        raise InputError(f"group {name}: 'any_annotated' is {some!r}; it must be true or false") from None
    return lambda case: (
        ids["annotated"] <= set(case.annotated)
        and not ids["not_annotated"] & set(case.annotated)
        and some in (None, bool(case.annotated))
    )


def case_entry(case: CohortCase) -> dict[str, Any]:
    """A case of a cohort as transforms take it."""
    entry: dict[str, Any] = {"image": case.image}
    if case.label is not None:
        entry |= {"label": case.label, "annotated": list(case.annotated)}
    return entry


def _relative(file: str, folder: Path) -> str:
    """`file` relative to `folder` where it lies below it, else absolute; a linked file keeps its own place."""
    path = Path(file).absolute()
    home = folder.absolute()
    for inner, outer in ((path, home), (path.parent.resolve() / path.name, home.resolve())):
        if inner.is_relative_to(outer):
            return inner.relative_to(outer).as_posix()
    return str(path)


def _parse(content: Any, path: Path) -> Cohort:
    """The content of a manifest at `path`; of its cases each faulty one is named, with its first fault."""
    try:
        fault = f"must hold an object with classes and cases, not a {type(content).__name__}"
        _require(isinstance(content, dict), fault)
        classes = tuple(checked_class_names(content.get("classes"), '"classes"'))
        lesions = _parse_names(content.get("lesions", []), classes, '"lesions"')
        name, source = (_text(content, key) for key in ("name", "annotation_source"))
        entries = content.get("cases")
        _require(isinstance(entries, list) and entries, '"cases" must be a list of at least one case; add the cases')
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    faults, cases = [], []
    for number, entry in enumerate(entries or []):
        try:
            cases.append(_parse_case(f'entry {number} of "cases"', entry, classes, path.parent.absolute()))
        except InputError as error:
            faults.append(str(error))
    raise_faults(path, faults + repeated_cases(cases))
    return Cohort(name, classes, lesions, tuple(cases), source)


def _require(holds: Any, fault: str) -> None:
    if not holds:
        raise InputError(fault)


def _text(content: Mapping[str, Any], key: str) -> str:
    text = content.get(key, "")
    _require(isinstance(text, str), f'"{key}" is {text!r}; write a text')
    return str(text)


def _parse_names(names: Any, classes: tuple[str, ...], where: str) -> tuple[int, ...]:
    """Sorted ids of a list of class names."""
    _require(isinstance(names, list), f"{where} is {names!r}; it must be a list of class names")
    for name in names:
        fault = f"{where} names {name!r}, none of the classes {', '.join(classes)}; correct the name"
        _require(name in classes, fault)
    return tuple(sorted({classes.index(name) + 1 for name in names}))


def _parse_case(where: str, entry: Any, classes: tuple[str, ...], folder: Path) -> CohortCase:
    """An entry of "cases"; files are relative to `folder`."""
    _require(isinstance(entry, dict), f"{where} is {entry!r}; write an object with {', '.join(_CASE_KEYS)}")
    name = entry.get("name")
    good = isinstance(name, str) and is_case_name(name)
    _require(good, f'{where}: "name" is {name!r}; write one that can be the name of a file')
    image, label, use = entry.get("image"), entry.get("label"), entry.get("use", TRAINING)
    unknown = sorted(set(entry) - set(_CASE_KEYS))
    try:
        _require(not unknown, f'"{"".join(unknown[:1])}" is unknown; correct it to one of {", ".join(_CASE_KEYS)}')
        _require(isinstance(image, str) and image, f'"image" is {image!r}; name the scan\'s file')
        given = label is None or (isinstance(label, str) and label)
        _require(given, f'"label" is {label!r}; name the label\'s file, or write null')
        _require(use in USES, f'"use" is {use!r}; write {", ".join(USES[:-1])} or {USES[-1]}')
        source = _text(entry, "source")
        ids = _parse_names(entry.get("annotated", []), classes, '"annotated"')
        _require(label or not ids, '"label" is null although classes are annotated; name it or empty "annotated"')
        _require(label or use == TRAINING, f'"use" is {use} without a label; name the label or write training')
        _require(ids or not label, '"annotated" is empty although there is a label; list its classes, or label null')
    except InputError as error:
        raise InputError(f"case {name}: {error}") from error
    return CohortCase(name, str(folder / image), None if label is None else str(folder / label), ids, use, source)
