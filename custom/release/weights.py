"""Which trained weights a release carries, and that they say where they come from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..bundle_configs import NETWORK, config_file, made_entry
from ..datalist.kept_folds import KEPT_FOLDS
from ..engines.load_weights import load_fitting_weights
from ..errors import InputError
from ..export.channel_names import channel_names
from ..options.kinds import NAMES, expanded
from ..plans import PLAN_FILE, read_plan

MODEL = "models/model.pt"
NONE = "none"
ORIGIN = "origin"  # the entry of eval_metrics that says what the weights were trained on
PLAN = "models/plan.yaml"
FOLDS = f"models/{KEPT_FOLDS}"


def parse_weights(weights: str | Sequence[str], bundles: Sequence[str]) -> dict[str, Path | None]:
    """Bundle -> the file to release as its models/model.pt, None for none, from NAME=FILE, NAME=none.

    Raises InputError: something else was given, or a bundle that is not released, or a file that is not there.
    """
    found: dict[str, Path | None] = {}
    for entry in NAMES.read(weights):
        name, _, file = entry.partition("=")
        file = expanded(file)
        if name not in bundles or not file:
            raise InputError(f"--weights {entry}: give NAME=FILE or NAME={NONE} with NAME one of {', '.join(bundles)}")
        if file != NONE and not Path(file).is_file():
            raise InputError(f"--weights {entry}: there is no file {file}")
        found[name] = None if file == NONE else Path(file)
    return found


def weights_contents(
    file: Path | None, root: Path, metadata: Mapping[str, Any], inference: ConfigParser
) -> dict[str, bytes]:
    """Path in the bundle -> content of the weights and of their plan; nothing for None.

    Args:
        root, metadata: the bundle's folder, whose code must be importable, and what it states.
        inference: parser of its inference.yaml, with these weights as `checkpoint`.

    Raises InputError: the metadata state no scores and origin, or other classes, or the weights do not fit their plan.
    """
    if file is None:
        return {}
    metrics, described = metadata.get("eval_metrics") or {}, config_file(root, "metadata.json")
    if not str(metrics.get(ORIGIN, "")).strip() or len(metrics) < 2:
        raise InputError(
            f"{described}: eval_metrics states no measured score with its `{ORIGIN}` (data "
            f"and training of the weights) for {file}: state both, or pass --weights {root.name}={NONE}"
        )
    found = weight_files(file)
    load_fitting_weights(file, made_entry(inference, NETWORK, root), "its plan.yaml is of another training")
    classes = channel_names(read_plan(file.with_name(PLAN_FILE))["classes"])
    stated = list(metadata["network_data_format"]["outputs"]["pred"]["channel_def"].values())
    if classes != stated:
        raise InputError(
            f"{file} is for {', '.join(classes[1:])}, but {described} states {', '.join(stated[1:])}: make a "
            "bundle of its own with `python -m custom trained_bundle`"
        )
    return found


def weight_files(file: Path) -> dict[str, bytes]:
    """Path in the bundle -> content of the weights and of the plan next to them. Raises InputError: it is missing."""
    plan = file.with_name(PLAN_FILE)
    if not plan.is_file():
        raise InputError(f"{plan} is missing: it says what {file} was trained for; restore it from the training")
    return {MODEL: file.read_bytes(), PLAN: plan.read_bytes()}
