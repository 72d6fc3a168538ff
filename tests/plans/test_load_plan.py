"""Which plan a run uses, and what contradicts it."""

import pytest

from custom import __version__
from custom.errors import InputError
from custom.plans import (
    PLAN_FILE,
    checked,
    folder_tag,
    load_plan,
    plan_of_weights,
    preparation,
    read_plan,
    refuse_contradiction,
    refuse_other_training,
    used_plan,
    write_plan,
)

from .test_plan import PLAN

WEIGHTS = "models/model.pt"


@pytest.fixture
def bundle(tmp_path):
    """A bundle's folder with two plans."""
    for name in ("first", "second"):
        (tmp_path / "bundle" / "configs" / "plans").mkdir(parents=True, exist_ok=True)
        write_plan(tmp_path / "bundle" / "configs" / "plans" / f"{name}.yaml", {**PLAN, "name": name})
    return tmp_path / "bundle"


def refused(call, *given, **options) -> str:
    with pytest.raises(InputError) as error:
        call(*given, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_plan_by_name_and_by_file(bundle, tmp_path):
    write_plan(tmp_path / "own.yaml", {**PLAN, "name": "own"})
    assert load_plan("second", bundle)["name"] == "second"
    assert load_plan(tmp_path / "own.yaml", bundle)["name"] == "own"


def test_a_plan_that_is_not_there(bundle, tmp_path):
    assert refused(load_plan, "third", bundle) == (
        "--plan third: there is no such file, and the bundle's own plans are first, second"
    )
    assert refused(load_plan, tmp_path / "gone.yaml", bundle).endswith("the bundle's own plans are first, second")
    assert refused(load_plan, "third", tmp_path).endswith("the bundle's own plans are none")


def test_the_plan_of_weights(bundle, tmp_path):
    def found(checkpoint):
        return plan_of_weights(checkpoint, bundle, "first")["name"]

    model = bundle / WEIGHTS
    assert found("") == found(model) == "first", "neither weights nor plan: the default"
    model.parent.mkdir()
    write_plan(model.with_name(PLAN_FILE), {**PLAN, "name": "trained"})
    assert found(model) == "trained", "weights may still be on their way"
    model.touch()
    assert found(model) == found(model.with_name("model_best.pt")) == "trained"
    model.with_name(PLAN_FILE).unlink()
    assert refused(found, model) == (
        f"{bundle}/models/plan.yaml is missing: it says what {model} was trained for; restore it from the training"
    )


def test_a_plan_says_what_a_run_really_uses(tmp_path):
    plan = checked({**PLAN, "scoring": {"tubular": ["dark"]}, "training": {"epoch": 7, "fold": 1}}, "")
    used = used_plan(plan, spacing=(2, 1, 1), classes=["a", "b", "c"], training={"fold": 2}, scoring={"groups": {}})
    assert used["spacing"] == [2, 1, 1]
    assert used["classes"] == ["a", "b", "c"]
    assert used["training"] == {"epoch": 7, "fold": 2}
    assert used["scoring"] == {"tubular": ["dark"], "nsd_tolerance_mm": 1.0, "groups": {}}
    assert used["code_version"] == __version__
    assert {key: used[key] for key in ("channels", "network", "patch_size")} == {
        key: plan[key] for key in ("channels", "network", "patch_size")
    }
    write_plan(tmp_path / PLAN_FILE, used)
    assert read_plan(tmp_path / PLAN_FILE) == used
    assert refused(used_plan, plan, spacing=[1, 1]).startswith("what this run uses: spacing is [1, 1]; it must be")


def test_classes_that_are_made_one_have_the_least_of_their_tolerances():
    plan = checked({**PLAN, "scoring": {"nsd_tolerance_mm": [3.0, 2.0]}}, "")
    used = used_plan(plan, classes=["foreground"], training={"merged_classes": PLAN["classes"]})
    assert used["scoring"]["nsd_tolerance_mm"] == 2.0


def test_a_contradiction_names_both_values():
    plan = checked({**PLAN, "training": {"fold": 0}}, "")
    refuse_contradiction(plan, WEIGHTS, spacing=(1.5, 1.1, 1), classes=["dark", "bright"], fold=0, num_folds=5)
    assert refused(refuse_contradiction, plan, WEIGHTS, spacing=[1.5, 1.1, 2.0]) == (
        "models/model.pt was trained with spacing [1.5, 1.1, 1.0], not [1.5, 1.1, 2.0]: leave that option out, or pass "
        "other weights"
    )
    said = refused(refuse_contradiction, plan, WEIGHTS, classes=["bright", "dark"], fold=1)
    assert 'classes ["dark", "bright"], not ["bright", "dark"]' in said
    assert "fold 0, not 1" in refused(refuse_contradiction, plan, WEIGHTS, fold=1)


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"spacing": [2, 1, 1]}, "--plan models/plan.yaml without --spacing"),
        ({"classes": ["dark", "grey"]}, "--plan models/plan.yaml without --class_names"),
        ({"network": {"name": "SegResNet"}}, "--plan models/plan.yaml without --architecture"),
        ({"training": {"seed": 1}}, "--seed 0"),
        ({"distance_channels": 0}, "--distance_head true"),
        ({"classes": ["all"], "training": {"seed": 0, "merged_classes": ["dark", "bright"]}}, "--class_agnostic false"),
        (
            {"distance_channels": 1, "training": {"seed": 0, "field_class_agnostic": True}},
            "--field_class_agnostic false",
        ),
    ],
)
def test_a_training_goes_on_with_equal_values_only(changed, remedy):
    training = {"seed": 0, "field_class_agnostic": False, "merged_classes": []}
    plan = {**PLAN, "distance_channels": 3, "training": training}
    now = {**plan, "training": plan["training"]}
    refuse_other_training("models/resume/checkpoint.pt", plan, {**now, "name": "other", "code_version": "9"})
    said = refused(refuse_other_training, "models/resume/checkpoint.pt", plan, {**now, **changed})
    assert said.startswith("models/resume/checkpoint.pt was trained with ")
    assert f": pass {remedy}" in said
    assert said.endswith(", or another --ckpt_dir")


def test_prepared_cases_depend_on_what_changes_them():
    first = preparation(checked(PLAN, ""))
    assert preparation(checked({**PLAN, "patch_size": [16, 16, 16], "name": "other"}, "")) == first
    for changed in ({"spacing": [1, 1, 1]}, {"orientation": "SAR"}, {"normalisation": "ct"}, {"classes": ["dark"]}):
        assert preparation(checked({**PLAN, **changed}, "")) != first


def test_a_folder_for_each_plan_but_the_default():
    assert folder_tag("spine", "spine") == ""
    assert folder_tag("hippocampus", "spine") == "hippocampus"
    assert folder_tag("/data/plan_a.yaml", "spine") == "plan_a"
