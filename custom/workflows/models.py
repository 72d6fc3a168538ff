"""Trained models by name: those in the `models` folders of the bundles next to this code, and any other's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from monai.bundle import ConfigParser

from ..bundle_configs import config_file
from ..engines.load_weights import refuse_missing_weights
from ..errors import InputError
from ..io.checksums import sha256
from ..nearest_name import did_you_mean
from ..plans import PLAN_FILE, Plan, ReleasedModel, read_plan, read_released_model

WEIGHTS = "model.pt"
WIDTH = 100  # of text for the terminal
AROUND_CODE = Path(__file__).resolve().parents[2]  # the project, or a released bundle


@dataclass(frozen=True)
class Model:
    """Weights with their plan, the bundle that runs them, and what model.yaml says of released ones."""

    name: str
    folder: Path
    bundle_root: Path
    plan: Plan
    released: ReleasedModel | None

    @property
    def weights(self) -> Path:
        """The file of the weights."""
        return self.folder / WEIGHTS


def bundle_roots() -> list[Path]:
    """The folders of the bundles that this code runs: the one that carries it, or all of the project."""
    if (AROUND_CODE / "configs" / "inference.yaml").is_file():
        return [AROUND_CODE]
    return sorted(file.parents[1] for file in AROUND_CODE.glob("bundles/*/configs/inference.yaml"))


def without_bundles() -> str:
    """What to do where this code was installed without the bundles; "" where they are."""
    where = f"no bundle lies next to this code in {AROUND_CODE}"
    return "" if bundle_roots() else f" ({where}: install it with pip install -e ., or run it in the project's folder)"


def known_models() -> dict[str, Model]:
    """Name -> model of the bundles' `models` folders, released ones first.

    Trainings of one's own lie there, too: under their folder's name, with the bundle's before it where that is taken.
    """
    found = [
        Model(folder.name, folder, root, read_plan(folder / PLAN_FILE), read_released_model(folder))
        for root in bundle_roots()
        for folder in sorted({file.parent for file in (root / "models").glob(f"*/{WEIGHTS}")})
        if (folder / PLAN_FILE).is_file()
    ]
    named: dict[str, Model] = {}
    for model in sorted(found, key=lambda one: one.released is None):
        name = model.name if model.name not in named else f"{model.bundle_root.name}/{model.name}"
        named[name] = model
    return named


def find_model(name: str) -> Model:
    """A known model by its name, or that of a folder with model.pt and plan.yaml.

    Raises InputError: there is neither, or the weights are not those that were released.
    """
    folder = Path(name).expanduser()
    models = known_models()
    if name not in models and folder.is_dir():
        return model_in(folder)
    if name not in models:
        raise InputError(
            f"--model {name}: there is no such model{did_you_mean(name, models)}, nor a folder of that name with "
            f"{WEIGHTS} and {PLAN_FILE}; there are {', '.join(models) or 'none'}{without_bundles()}"
        )
    found = models[name]
    if found.released is not None and sha256(found.weights) != found.released.sha256:
        raise InputError(
            f"{found.weights} is not the released file (its checksum is another): restore it, or pass --model "
            f"{found.folder.parent.name}/{found.folder.name} to label with it as it is"
        )
    return found


def model_in(folder: Path) -> Model:
    """The model of a training's folder. Raises InputError: weights or plan are missing, or of no bundle."""
    refuse_missing_weights(folder / WEIGHTS, f"pass a folder of a training, with {WEIGHTS} and {PLAN_FILE}")
    plan = read_plan(folder / PLAN_FILE)
    return Model(folder.resolve().name, folder, bundle_of(plan, folder), plan, None)


def bundle_of(plan: Plan, folder: Path) -> Path:
    """The bundle that trained weights: of those that plan a distance field or none, as the plan has one or none.

    Raises InputError: no bundle here does.
    """
    roots = bundle_roots()
    around = [root for root in roots if folder.resolve().is_relative_to(root)]
    planned = {root: ConfigParser.load_config_file(str(config_file(root, "train.yaml")))["used_plan"] for root in roots}
    has_field = plan["distance_channels"] is not None
    fitting = [root for root in roots if ("distance_channels" in planned[root]) == has_field]
    if not fitting and not around:
        names = ", ".join(root.name for root in roots) or "none"
        raise InputError(f"{folder / PLAN_FILE}: no bundle here trains such a network ({names}): pass another model")
    return (around or fitting)[0]


def describe_models() -> str:
    """The known models, each with its bundle, size, classes, scores and origin."""
    models = known_models()
    if not models:
        line = "there are no models yet: train one, and pass --model with the folder of its model.pt and plan.yaml"
        return line + without_bundles()
    return "\n\n".join(described(name, model) for name, model in models.items())


def described(name: str, model: Model) -> str:
    """What one model is, in a few lines."""
    released = model.released
    facts = {
        "labels": ", ".join(model.plan["classes"]),
        "scores": score_text(released.scores) if released else "",
        "trained on": released.origin if released else "your own training",
        "licence of the data": released.data_license if released else "",
    }
    size = f"{model.weights.stat().st_size / 1e6:.1f} MB"
    lines = [
        fill(f"{key}: {text}", WIDTH, initial_indent="  ", subsequent_indent="    ")
        for key, text in facts.items()
        if text
    ]
    return "\n".join([f"{name} ({model.bundle_root.name}, {size})", *lines])


def score_text(scores: Mapping[str, Any]) -> str:
    """Scores in one line.

    >>> score_text({"dice": {"anterior": 0.9, "posterior": 0.8812}, "cases": "held out"})
    'dice anterior 0.9, posterior 0.881; cases held out'
    """
    return "; ".join(f"{name} {_value(value)}" for name, value in scores.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(one)}" for name, one in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)
