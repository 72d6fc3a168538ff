"""What the stages of a recipe share, and the checks of what each sets for itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..errors import InputError
from ..plans import Plan, load_plan
from .bundle_run import checked_settings
from .recipe import Stage

# what a stage sets itself -> the key of the recipe that says it
SET_BY_STAGE = {
    **{"unannotated": "unannotated", "initial_weights": "start_from"},
    **dict.fromkeys(("output_dir", "ckpt_dir", "cache_dir", "resume", "validate_data"), ""),
}


@dataclass(frozen=True)
class PipelineSettings:
    """What all stages share; see `PseudoLabelPipeline`.

    `tracking`: what makes their runs record themselves, nothing where they do not.
    """

    bundle_root: Path
    overlays: tuple[str, ...]
    training: Mapping[str, Any]
    inference: Mapping[str, Any]
    runtime: Mapping[str, Any]
    keep_cache: bool
    window: tuple[float, float] | None
    tracking: Mapping[str, Any] = field(default_factory=dict)
    cases_per_job: int = 200

    def training_configs(self, stage: Stage) -> list[str]:
        """The configs that a stage's training lays over one another."""
        return ["train", *self.overlays, *stage.overlays]

    def all_configs(self, stage: Stage) -> tuple[str, ...]:
        """All configs that a stage's training and predictions with its model use."""
        return tuple(dict.fromkeys([*self.training_configs(stage), "inference"]))

    def with_checked_values(self, stages: Sequence[Stage]) -> "PipelineSettings":
        """The same with values that have passed the descriptions of the options of any stage."""
        names = tuple(dict.fromkeys(name for stage in stages for name in self.all_configs(stage)))
        check = partial(checked_settings, "all stages", self.bundle_root, names)
        training, inference, runtime = (check(one) for one in (self.training, self.inference, self.runtime))
        return replace(self, training=training, inference=inference, runtime=runtime)

    def checked(self, stage: Stage) -> Stage:
        """A stage whose settings have passed their options' descriptions, before hours of work."""
        check = partial(checked_settings, f"stage {stage.name}", self.bundle_root, self.all_configs(stage))
        for common in (self.training, self.inference, self.runtime):
            check(common)
        for key in ({**self.training, **stage.settings}).keys() & SET_BY_STAGE.keys():
            remedy = f"use the stage's key {own}" if (own := SET_BY_STAGE[key]) else "leave it out"
            raise InputError(f"stage {stage.name}: {key} in training or settings is set by the stage itself; {remedy}")
        return replace(stage, settings=check(stage.settings), inference=check(stage.inference))

    def plan_name(self, stage: Stage) -> str:
        """The plan that a stage trains with, by name or file; by default the one of train.yaml."""
        named = {**self.training, **stage.settings}.get("plan")
        if named:
            return str(named)
        return str(ConfigParser.load_config_file(str(self.bundle_root / "configs" / "train.yaml"))["default_plan"])

    def plan(self, stage: Stage) -> Plan:
        """The content of that plan."""
        return load_plan(self.plan_name(stage), self.bundle_root)
