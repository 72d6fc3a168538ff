"""The plan: what a network is for, in one small YAML file next to its weights."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ..datalist.class_names import checked_class_names
from ..errors import InputError
from ..io.atomic_write import write_text
from ..io.write_errors import reporting_unwritable

Plan = dict[str, Any]

PLAN_FILE = "plan.yaml"
AXES = ("LR", "PA", "IS")
NORMALISATIONS = ("ct", "zscore")
INTENSITY = ("lower", "upper", "mean", "sd")
REQUIRED = ("classes", "channels", "orientation", "spacing", "normalisation", "patch_size", "mirror_axes", "network")
KNOWN = (
    *("name", *REQUIRED, "types", "intensity", "batch_size", "distance_channels", "prediction", "scoring"),
    *("fingerprint", "training", "code_version"),
)
ORIENTATION = "three letters such as RAS, one of each pair LR, PA, IS"
WINDOWS = ("all", "efficient", "lateral")
SCORING: Mapping[str, Any] = {"tubular": [], "nsd_tolerance_mm": 1.0, "groups": {}}
DEFAULTS: Mapping[str, Any] = {
    **{"name": "", "types": None, "intensity": None, "batch_size": 2, "distance_channels": None, "prediction": {}},
    **{"scoring": {}, "fingerprint": {}, "training": {}, "code_version": ""},
}
HEAD = "# What a network is for: read wherever its weights are used, see `custom/plans/plan.py`.\n"


def read_plan(file: str | Path) -> Plan:
    """A plan file's content, with every optional entry filled in.

    Raises InputError: the file cannot be read, an entry is missing, unknown or has an impossible value.
    """
    path = Path(file)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); pass the plan of a data set or model") from error
    except (yaml.YAMLError, ValueError) as error:  # also an impossible date
        raise InputError(f"{path}: is not readable YAML ({' '.join(str(error).split())[:200]}); restore it") from error
    return checked(content, str(path))


def write_plan(file: str | Path, plan: Mapping[str, Any]) -> None:
    """Write a plan, atomically, with its entries in their usual order."""
    content = plain({key: plan[key] for key in KNOWN if plan.get(key) is not None})
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    with reporting_unwritable(file, "pass a folder that can be written"):
        write_text(file, HEAD + text)


def checked(content: Any, source: str) -> Plan:
    """A plan's entries, each checked.

    `source` names the plan in messages. Raises InputError: an entry is missing, unknown or has an impossible value.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{source}: is no plan, which is a mapping with {', '.join(REQUIRED)}")
    missing = [key for key in REQUIRED if content.get(key) is None]
    unknown = [str(key) for key in content if key not in KNOWN]
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"has an unknown entry {unknown[0]!r}"
        raise InputError(f"{source}: {what}; a plan has {', '.join(KNOWN)}")
    try:
        plan: Plan = {**DEFAULTS, **{key: value for key, value in plain(content).items() if value is not None}}
    except ValueError as error:
        raise InputError(f"{source}: {error}") from error
    for key in ("prediction", "scoring", "fingerprint", "training"):
        if not isinstance(plan[key], dict):
            raise InputError(f"{source}: {key} is {_shown(plan[key])}; it must be a mapping")
    plan["scoring"] = {**SCORING, **plan["scoring"]}
    checked_class_names(plan["classes"], f"{source}: classes")
    for key, fits, expected in _CHECKS:
        if not fits(plan):
            raise InputError(f"{source}: {key} is {_shown(plan[key])}; it must be {expected}")
    return plan


def differences(plan: Mapping[str, Any], other: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """The entries among `keys` in which two plans differ, with both values, a line each."""
    one, two = plain(plan), plain(other)
    return [f"{key} {_shown(one.get(key))}, not {_shown(two.get(key))}" for key in keys if one.get(key) != two.get(key)]


def plain(value: Any) -> Any:
    """The value as YAML and JSON give it back: lists for tuples, built-in numbers."""
    return json.loads(json.dumps(value, default=_plain_number))


def _plain_number(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy's and torch's
        return value.tolist()
    raise InputError(f"{value!r} cannot stand in a plan: use numbers, words and lists of them")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:100] + "..."


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _three(value: Any, fits: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(fits, value))


def _names(value: Any) -> bool:
    words = isinstance(value, list) and value and all(isinstance(name, str) and name.strip() for name in value)
    return bool(words) and len(set(value)) == len(value)


def is_orientation(value: Any) -> bool:
    """Whether a value is three letters such as RAS, one of each pair of `AXES`."""
    axes = [next((pair for pair in AXES if letter in pair), "") for letter in str(value)]
    return len(axes) == 3 and len(set(axes)) == 3 and "" not in axes


def _scoring(plan: Plan) -> bool:
    tubular, tolerance, groups = (plan["scoring"][key] for key in SCORING)
    values = tolerance if isinstance(tolerance, list) else [tolerance] * len(plan["classes"])
    known = plan["scoring"].keys() == SCORING.keys()
    fits = all(_number(one) and one > 0 for one in values) and len(values) == len(plan["classes"])
    lists = [tubular, *groups.values()] if isinstance(groups, dict) else [None]
    return known and fits and all(isinstance(one, list) for one in lists)


def _types(plan: Plan) -> bool:
    types, merged = plan["types"], plan["training"].get("merged_classes") or []
    return types is None or (isinstance(types, list) and all(one in [*plan["classes"], *merged] for one in types))


def _prediction(plan: Plan) -> bool:
    checks = {
        "mirrored": lambda value: isinstance(value, bool),
        "windows": lambda value: value in WINDOWS,
        "min_foreground_voxels": lambda value: _whole(value, 0),
    }
    return all(key in checks and checks[key](value) for key, value in plan["prediction"].items())


def _intensity(plan: Plan) -> bool:
    value = plan.get("intensity")
    if value is None:
        return True
    if not isinstance(value, dict) or not all(_number(value.get(key)) for key in INTENSITY):
        return False
    return bool(value["lower"] < value["upper"] and value["sd"] > 0)


_CHECKS: tuple[tuple[str, Any, str], ...] = (
    ("types", _types, "a list of those classes that are types of one kind of lesion, [] for none"),
    ("channels", lambda p: _names(p["channels"]), "a list of different names of the image's channels, such as [T1]"),
    ("orientation", lambda p: is_orientation(p["orientation"]), ORIENTATION),
    ("spacing", lambda p: _three(p["spacing"], lambda v: _number(v) and v > 0), "three sizes in mm above 0"),
    ("normalisation", lambda p: p["normalisation"] in NORMALISATIONS, " or ".join(NORMALISATIONS)),
    ("intensity", _intensity, f"a mapping of numbers {', '.join(INTENSITY)} with lower < upper and sd > 0"),
    ("patch_size", lambda p: _three(p["patch_size"], lambda v: _whole(v, 1)), "three sizes in voxels"),
    ("batch_size", lambda p: _whole(p["batch_size"], 1), "a number of patches"),
    ("mirror_axes", lambda p: isinstance(p["mirror_axes"], list) and all(one in (0, 1, 2) for one in p["mirror_axes"]),
     "a list of axes among 0, 1, 2"),
    ("network", lambda p: isinstance(p["network"], dict) and isinstance(p["network"].get("name"), str),
     "a mapping with the network's name and its options"),
    ("distance_channels", lambda p: p["distance_channels"] is None or _whole(p["distance_channels"], 0),
     "the number of channels of the distance field, 0 for none"),
    ("prediction", _prediction,
     f"a mapping of mirrored (true or false), windows ({', '.join(WINDOWS)}) and min_foreground_voxels (0 or more)"),
    ("scoring", _scoring, "a mapping with nsd_tolerance_mm (above 0, one or one for each class) and lists of classes: "
     "tubular, and those in the mapping groups"),
)  # fmt: skip
