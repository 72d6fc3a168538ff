"""What stages share, checked against the real options of the FLARE bundle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custom.errors import InputError
from custom.workflows.recipe import Stage, parse_recipe

from .noted_stages import SETTINGS


@pytest.fixture
def settings(project):
    none = {"overlays": (), "training": {}, "inference": {}, "runtime": {}}
    return replace(SETTINGS, bundle_root=project / "bundles" / "flare_pseudolabel", **none)


def stage(**keys) -> Stage:
    (found,) = parse_recipe([{"name": "1_organs", "train": ["liver"], **keys}], ["liver"])
    return found


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("unannotated", "marginal", "use the stage's key unannotated"),
        ("initial_weights", "/x/model.pt", "use the stage's key start_from"),
        ("cache_dir", "/tmp/cache", "leave it out"),
    ],
)
def test_values_that_a_stage_sets_itself_are_refused(settings, key, value, remedy):
    """They would be replaced without a word."""
    said = f"^stage 1_organs: {key} in training or settings is set by the stage itself; {remedy}$"
    with pytest.raises(InputError, match=said):
        replace(settings, training={key: value}).checked(stage())
    with pytest.raises(InputError, match=said):
        settings.checked(stage(settings={key: value}))


def test_values_are_of_their_options_kinds(settings):
    assert settings.checked(stage(settings={"epochs": "3"})).settings == {"epochs": 3}
    with pytest.raises(InputError, match=r"stage 1_organs: .*epochs"):
        settings.checked(stage(settings={"epochs": "many"}))


def test_the_plan_is_the_stages_or_that_of_all_or_the_bundles(settings):
    assert settings.plan_name(stage()) == "small", "the bundle's own"
    assert replace(settings, training={"plan": "big"}).plan_name(stage()) == "big"
    assert replace(settings, training={"plan": "big"}).plan_name(stage(settings={"plan": "own"})) == "own"


def test_the_configs_of_a_stage_lie_over_those_of_all(settings):
    assert replace(settings, overlays=("few_steps",)).all_configs(stage(overlays=["long"])) == (
        *("train", "few_steps", "long"),
        "inference",
    )
