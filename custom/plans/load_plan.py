"""Which plan a run uses: one that the user names, or the one next to the weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from ..options.kinds import as_typed
from .plan import PLAN_FILE, Plan, checked, differences, plain, read_plan

PLANS = Path("configs") / "plans"
OPTIONS = {  # of train.yaml
    "classes": "class_names",
    "network": "architecture",
    "distance_channels": "distance_head",
    "merged_classes": "class_agnostic",
}
SWITCHES = ("distance_channels", "merged_classes")  # whose option says only whether there are any
DESCRIPTIVE = ("name", "types", "training", "prediction", "scoring", "fingerprint", "code_version")
FIXED = ("classes", "channels", "orientation", "spacing", "normalisation", "intensity")  # prepared cases depend on them


def load_plan(plan: str | Path, bundle_root: str | Path) -> Plan:
    """The plan that a user names: a file, or one of the bundle's `configs/plans` by its name.

    Raises InputError: there is neither, or it is no plan.
    """
    folder = Path(bundle_root) / PLANS
    named = folder / f"{plan}.yaml"
    file = Path(plan)
    if named.is_file() and not file.is_file():
        return read_plan(named)
    if not file.is_file():
        own = ", ".join(sorted(one.stem for one in folder.glob("*.yaml"))) or "none"
        raise InputError(f"--plan {plan}: there is no such file, and the bundle's own plans are {own}")
    return read_plan(file)


def plan_of_weights(checkpoint: str | Path, bundle_root: str | Path, default: str) -> Plan:
    """The plan next to trained weights. Where neither weights nor plan are there, the bundle's default plan.

    Raises InputError: weights lie there without their plan, or the plan cannot be used.
    """
    if not str(checkpoint):
        return load_plan(default, bundle_root)
    weights = Path(checkpoint)
    file = weights.with_name(PLAN_FILE)
    if file.is_file():
        return read_plan(file)
    if weights.is_file():
        raise InputError(f"{file} is missing: it says what {weights} was trained for; restore it from the training")
    return load_plan(default, bundle_root)


def folder_tag(plan: str, default: str) -> str:
    """Sub-folder for what belongs to a plan: none for the bundle's default plan, else the plan file's name.

    >>> folder_tag("spine", "spine"), folder_tag("hippocampus", "spine"), folder_tag("/data/plan_a.yaml", "spine")
    ('', 'hippocampus', 'plan_a')
    """
    return "" if plan == default else Path(str(plan)).name.removesuffix(".yaml")


def used_plan(plan: Mapping[str, Any], **used: Any) -> Plan:
    """The plan with the values that a run really uses, which the command line or overlays may have changed.

    Of `scoring` and `training` the entries given are replaced. Where all classes are one, it has the least of their
    tolerances. Raises InputError: an entry has an impossible value.
    """
    merged = {**plan, **used, "code_version": __version__}
    for key in ("scoring", "training"):
        merged[key] = {**(plan.get(key) or {}), **(used.get(key) or {})}
    tolerances = merged["scoring"].get("nsd_tolerance_mm")
    if merged["training"].get("merged_classes") and isinstance(tolerances, list):
        merged["scoring"]["nsd_tolerance_mm"] = min(tolerances)
    return checked(plain(merged), "what this run uses")


def refuse_contradiction(plan: Mapping[str, Any], source: str | Path, **asked: Any) -> None:
    """Refuse values that contradict what the weights were trained for.

    Args:
        source: names the weights in the message.
        asked: entries of a plan, or of its `training`, as this run would use them.

    Raises InputError: names the first contradiction.
    """
    known = {**plan, **plan.get("training", {})}
    found = differences(known, asked, [key for key in asked if key in known])
    if found:
        raise InputError(f"{source} was trained with {found[0]}: leave that option out, or pass other weights")


def refuse_other_training(file: str | Path, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to resume a training with other values than it began with.

    Raises InputError: names the first difference and the option that undoes it.
    """
    # options of the training first: field_class_agnostic explains distance_channels
    before, after = ({**plan.get("training", {}), **plan} for plan in (earlier, now))
    keys = [key for key in after if key in before and key not in DESCRIPTIVE]
    found = differences(before, after, keys)
    if found:
        key = found[0].split()[0]
        option, value = OPTIONS.get(key, key), before[key]
        if key in SWITCHES:
            value = bool(value)
        remedy = f"--{option} {as_typed(value)}"
        if key in now and key not in SWITCHES:
            remedy = f"--plan {as_typed(str(Path(file).parents[1] / PLAN_FILE))} without --{option}"
        raise InputError(f"{file} was trained with {found[0]}: pass {remedy}, or another --ckpt_dir")


def preparation(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that prepared cases depend on, for the key of their cache."""
    return {key: plan.get(key) for key in FIXED}
