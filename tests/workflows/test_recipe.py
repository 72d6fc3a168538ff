"""The paper's recipe and others, planned on cohorts of a few cases."""

from __future__ import annotations

import pytest
import yaml

from custom.cohort.manifest import FLARE_CLASSES, Cohort, CohortCase, default_group_rules, group_cases
from custom.errors import InputError
from custom.workflows.recipe import TrainingCase, describe_plan, parse_recipe, plan_stages

ORGANS, ALL = tuple(range(1, 14)), tuple(range(1, 15))
DATASET2 = (1, 2, 3, 4, 13, 14)
ANNOTATED = {
    "organs_0": ORGANS,
    "organs_1": ORGANS,
    "tumour_0": DATASET2,
    "tumour_1": DATASET2,
    "tumour_2": DATASET2,
    "liver_and_aorta": (1, 5),
    "tumour_alone": (14,),
    "bare_0": (),
    "bare_1": (),
}


def make_cohort(annotated=ANNOTATED, classes=FLARE_CLASSES, lesions=(14,)):
    cases = (
        CohortCase(name, f"/d/{name}.nii.gz", f"/d/{name}_l.nii.gz" if a else None, a) for name, a in annotated.items()
    )
    return Cohort("small FLARE", classes, lesions, tuple(cases))


@pytest.fixture
def cohort():
    return make_cohort()


@pytest.fixture
def groups(cohort):
    return group_cases(cohort.training, default_group_rules(cohort), cohort)


@pytest.fixture
def plan(groups):
    """Plans a recipe given as dictionaries; by stage name."""

    def planned(*recipe, of=groups):
        return {one.stage.name: one for one in plan_stages(parse_recipe(recipe, list(of)), of)}

    return planned


def config(project, name):
    return yaml.safe_load((project / "bundles" / "flare_pseudolabel" / "configs" / f"{name}.yaml").read_text())


@pytest.fixture
def paper(project):
    return config(project, "pipeline")["recipe"]


def trained(stage):
    """Name of a training case -> the stage that filled it, and its classes."""
    return {one.case.name: (one.filled_by, one.annotated) for one in stage.training}


def filled(stage):
    return [(fill.group, fill.model_stage, fill.classes, [case.name for case in fill.cases]) for fill in stage.fills]


def test_the_papers_stages_fill_and_train_as_its_figure_says(plan, paper):
    stages = plan(*paper)
    names = {
        "dataset1": ["organs_0", "organs_1"],
        "dataset2": ["tumour_0", "tumour_1", "tumour_2"],
        "dataset3": ["liver_and_aorta", "tumour_alone"],
        "dataset4": ["bare_0", "bare_1"],
    }
    first, second, third, fourth, fifth = stages.values()
    assert filled(first) == []
    assert trained(first) == dict.fromkeys(names["dataset1"], (None, ORGANS))
    assert filled(second) == [("dataset2", "1_organs", ORGANS, names["dataset2"])]
    assert trained(second) == dict.fromkeys(names["dataset2"], ("2_tumours", ALL))
    assert filled(third) == [("dataset1", "2_tumours", ALL, names["dataset1"])]
    in_third = trained(second) | dict.fromkeys(names["dataset1"], ("3_both", ALL))
    assert trained(third) == in_third
    assert filled(fourth) == [("dataset3", "3_both", ALL, names["dataset3"])]
    in_fourth = in_third | dict.fromkeys(names["dataset3"], ("4_partial", ALL))
    assert trained(fourth) == in_fourth
    assert filled(fifth) == [("dataset4", "4_partial", ALL, names["dataset4"])]
    assert trained(fifth) == in_fourth | dict.fromkeys(names["dataset4"], ("5_small", ALL))
    assert [one.classes for one in stages.values()] == [ORGANS, ALL, ALL, ALL, ALL]
    assert [one.stage.settings for one in stages.values()] == [{"plan": "big"}] * 4 + [{}]


def test_the_papers_plan_in_lines(plan, paper, cohort):
    assert describe_plan(list(plan(*paper).values()), cohort) == [
        "1. 1_organs: plan big",
        "   train on 2 cases of dataset1; learns 13 of 14 classes",
        "2. 2_tumours: plan big",
        "   label 3 cases of dataset2 with the model of 1_organs (13 classes)",
        "   train on 3 cases of dataset2; learns 14 of 14 classes",
        "3. 3_both: plan big",
        "   label 2 cases of dataset1 with the model of 2_tumours (14 classes)",
        "   train on 5 cases of dataset1, dataset2; learns 14 of 14 classes",
        "4. 4_partial: plan big",
        "   label 2 cases of dataset3 with the model of 3_both (14 classes)",
        "   train on 7 cases of dataset1, dataset2, dataset3; learns 14 of 14 classes",
        "5. 5_small: the common plan",
        "   label 2 cases of dataset4 with the model of 4_partial (14 classes)",
        "   train on 9 cases of dataset1, dataset2, dataset3, dataset4; learns 14 of 14 classes",
    ]


def test_the_hippocampus_recipe(project, plan):
    content = config(project, "pipeline_hippocampus")
    parts = make_cohort({"a": (1,), "p": (2,), "u": ()}, ("anterior", "posterior"), ())
    groups = group_cases(parts.training, content["groups"], parts)
    stages = plan(*content["recipe"], of=groups)
    assert {name: one.classes for name, one in stages.items()} == {
        "1_anterior": (1,),
        "2_posterior": (1, 2),
        "3_both": (1, 2),
        "4_all": (1, 2),
        "anterior_alone": (1,),
        "missing_as_background": (1, 2),
    }
    assert trained(stages["4_all"]) == {"a": ("3_both", (1, 2)), "p": ("2_posterior", (1, 2)), "u": ("4_all", (1, 2))}
    assert trained(stages["missing_as_background"]) == {"a": (None, (1,)), "p": (None, (2,))}
    lines = describe_plan(list(stages.values()), parts)
    assert "   label 1 cases of posterior with the model of 1_anterior (anterior)" in lines
    assert "5. anterior_alone (control): the common plan" in lines
    assert lines[-1] == "   train on 2 cases of anterior, posterior; learns 2 of 2 classes (annotated labels only)"


def test_a_model_fills_what_it_learned_and_nothing_else(plan):
    stages = plan(
        {"name": "two", "train": ["dataset3"]},
        {"name": "next", "train": ["dataset1", "dataset4"], "fill": {"dataset4": "two"}},
    )
    assert stages["two"].classes == (1, 5, 14)
    assert trained(stages["next"])["bare_0"] == ("next", (1, 5, 14))
    assert stages["next"].classes == ALL


def test_the_latest_filling_of_a_group_counts_from_then_on(plan):
    stages = plan(
        {"name": "a", "train": ["dataset3"]},
        {"name": "b", "train": ["dataset1", "dataset4"], "fill": {"dataset4": "a"}},
        {"name": "c", "train": ["dataset4"]},
        {"name": "d", "train": ["dataset4"], "fill": {"dataset4": "b"}},
        {"name": "e", "train": ["dataset4"]},
    )
    assert trained(stages["c"])["bare_0"] == ("b", (1, 5, 14))
    assert trained(stages["d"])["bare_0"] == trained(stages["e"])["bare_0"] == ("d", ALL)


def test_a_group_may_be_filled_for_later_stages_alone(plan):
    stages = plan(
        {"name": "a", "train": ["dataset1"]},
        {"name": "b", "train": ["dataset2"], "fill": {"dataset4": "a"}, "labels": "annotated"},
        {"name": "c", "train": ["dataset4"]},
    )
    assert trained(stages["b"])["tumour_0"] == (None, DATASET2)
    assert trained(stages["c"])["bare_0"] == ("b", ORGANS)


def test_what_a_control_fills_is_its_own(plan):
    stages = plan(
        {"name": "a", "train": ["dataset1"]},
        {"name": "b", "train": ["dataset2"], "fill": {"dataset2": "a"}},
        {"name": "doubtful", "train": ["dataset2"], "fill": {"dataset2": "a"}, "control": True},
        {"name": "c", "train": ["dataset1", "dataset2"]},
    )
    assert trained(stages["doubtful"])["tumour_0"] == ("doubtful", ALL)
    assert trained(stages["c"])["tumour_0"] == ("b", ALL)


def test_options_of_a_stage_and_their_defaults(plan):
    stages = plan(
        {"name": "plain", "train": "dataset1"},
        {
            "name": "all_options",
            "train": ["dataset1", "dataset3"],
            "overlays": ["big", "phantoms"],
            "settings": {"epochs": 3},
            "inference": {"mirrored": True},
            "labels": "annotated",
            "unannotated": "no_gradient",
            "merge": {"lesions_overwrite": "false", "confidence": "0.7"},
            "control": "yes",
        },
    )
    plain, other = (one.stage for one in stages.values())
    assert plain.train == ("dataset1",)
    assert (plain.labels, plain.unannotated, plain.lesions_overwrite, plain.confidence) == (
        *("filled", "background", True),
        0.0,
    )
    assert (other.labels, other.unannotated, other.lesions_overwrite, other.confidence) == (
        *("annotated", "no_gradient", False),
        0.7,
    )
    assert (other.settings, other.inference, other.control) == ({"epochs": 3}, {"mirrored": True}, True)
    assert describe_plan([stages["all_options"]], make_cohort()) == [
        "1. all_options (control): the common plan",
        "   train on 4 cases of dataset1, dataset3; learns 14 of 14 classes (annotated labels only; "
        "no gradient for unannotated classes; voxels below 0.7 ignored)",
    ]


FIRST = {"name": "a", "train": ["g"]}


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ([], "recipe is []; it must be a list of stages, each with name and train"),
        ("a", "recipe is 'a'; it must be a list of stages"),
        ({"name": "a"}, "recipe is {'name': 'a'}; it must be a list of stages"),
        (["a"], "recipe, stage 1 is 'a'; it must be a mapping with at least name and train"),
        ([FIRST, {"name": "b"}], "recipe, stage 2 is {'name': 'b'}; it must be a mapping with at least name and train"),
        ([{**FIRST, "trains": 1}], "recipe, stage a: unknown key 'trains'; use name, train, fill, overlays"),
        ([FIRST, FIRST], "recipe, stage a: the name must be usable as a folder's and differ from every other"),
        ([{**FIRST, "name": "../a"}], "recipe, stage ../a: the name must be usable as a folder's"),
        ([{**FIRST, "name": ".a"}], "recipe, stage .a: the name must be usable as a folder's"),
        ([{**FIRST, "train": 3}], "recipe, stage a: train 3: pass names with , between"),
        (
            [{**FIRST, "overlays": [1]}],
            "recipe, stage a: overlays '[1]': was read as int, not as text",
        ),
        ([{**FIRST, "fill": ["g"]}], "recipe, stage a: fill "),
        ([{**FIRST, "settings": "x"}], "recipe, stage a: settings x: pass a mapping"),
        ([{**FIRST, "inference": 1}], "recipe, stage a: inference 1: pass a mapping"),
        ([{**FIRST, "labels": "own"}], "recipe, stage a: labels own: pass filled or annotated"),
        (
            [{**FIRST, "unannotated": "ignore"}],
            "recipe, stage a: unannotated ignore: pass background, marginal or no_gradient",
        ),
        (
            [{**FIRST, "merge": {"threshold": 1}}],
            "recipe, stage a, merge: unknown key 'threshold'; use lesions_overwrite, confidence",
        ),
        ([{**FIRST, "merge": True}], "recipe, stage a: merge True: pass a mapping"),
        (
            [{**FIRST, "merge": {"confidence": 60}}],
            "recipe, stage a, merge: confidence 60: pass a number from 0 to below 1",
        ),
        (
            [{**FIRST, "merge": {"confidence": "nan"}}],
            "recipe, stage a, merge: confidence nan: pass a number from 0 to below 1",
        ),
        (
            [{**FIRST, "merge": {"lesions_overwrite": "maybe"}}],
            "recipe, stage a, merge: lesions_overwrite maybe: pass true or false",
        ),
        ([{**FIRST, "control": 2}], "recipe, stage a: control 2: pass true or false"),
        (
            [{**FIRST, "train": ["g", "k"]}],
            "recipe, stage a: 'k' is none of the groups g, h; correct it or add the group",
        ),
        (
            [{**FIRST, "fill": {"k": "a"}}],
            "recipe, stage a: 'k' is none of the groups g, h; correct it or add the group",
        ),
        (
            [{**FIRST, "fill": {"h": "a"}}],
            "recipe, stage a: h shall be filled by 'a', which is no earlier stage (there is none); name one of those",
        ),
        (
            [FIRST, {"name": "c", "train": ["g"], "control": True}, {"name": "b", "train": ["g"], "fill": {"h": "c"}}],
            "recipe, stage b: h shall be filled by 'c', which is no earlier stage (a); name one of those",
        ),
        (
            [
                FIRST,
                {"name": "b", "train": ["g"], "fill": {"h": "a"}, "merge": {"agree_with": "z", "min_agreement": 0.5}},
            ],
            "recipe, stage b: agree_with is 'z', which is no earlier stage (a); name one of those",
        ),
        (
            [FIRST, {"name": "b", "train": ["g"], "fill": {"h": "a"}, "merge": {"min_agreement": 0.5}}],
            "recipe, stage b: merge needs both agree_with, a stage, and min_agreement, or neither; give both",
        ),
        ([FIRST, {**FIRST, "name": "A"}], "the name must be usable as a folder's and differ from every other stage's"),
        ([{**FIRST, 1: 2, "zz": 3}], "recipe, stage a: unknown key 1; use name, train"),
        ([{**FIRST, "merge": {"min_dice": 1.5}}], "recipe, stage a, merge: min_dice 1.5: pass a number from 0"),
    ],
)
def test_a_recipe_that_cannot_be_meant(recipe, message):
    with pytest.raises(InputError) as error:
        parse_recipe(recipe, ["g", "h"])
    assert message in str(error.value)


@pytest.mark.parametrize("merge", [3, "text", ["min_dice"]])
def test_defaults_that_are_no_mapping(merge):
    with pytest.raises(InputError, match=r"defaults: merge .*: pass a mapping"):
        parse_recipe([FIRST], ["g"], {"merge": merge})
    assert parse_recipe([FIRST], ["g"], {"merge": None}) == parse_recipe([FIRST], ["g"])


def test_a_second_model_knows_all_that_the_first_one_fills(plan):
    stages = [
        {"name": "organs", "train": ["dataset1"]},
        {"name": "all", "train": ["dataset2"], "fill": {"dataset2": "organs"}},
        {"name": "next", "train": ["dataset1", "dataset4"], "fill": {"dataset4": "all"}},
    ]
    agreeing = {"merge": {"agree_with": "organs", "min_agreement": 0.6}}
    message = r"stage next: agree_with is 'organs', which does not learn 1 of the 14 classes that all fills in dataset4"
    with pytest.raises(InputError, match=message):
        plan(*stages[:2], {**stages[2], **agreeing})
    annotated = {**stages[2], "train": ["dataset2"], "fill": {"dataset2": "all"}, **agreeing}
    assert plan(*stages[:2], annotated)["next"].fills, "its cases are annotated for what the second does not know"


def test_defaults_are_for_stages_without_keys_of_their_own():
    defaults = {"unannotated": "marginal", "merge": {"min_dice": 0.5, "confidence": 0.2}}
    own = {"name": "b", "train": ["g"], "unannotated": "background", "merge": {"min_dice": 0}}
    first, second = parse_recipe([FIRST, own], ["g"], defaults)
    assert (first.unannotated, first.min_dice, first.confidence) == ("marginal", 0.5, 0.2)
    assert (second.unannotated, second.min_dice, second.confidence) == ("background", 0.0, 0.2)
    with pytest.raises(InputError, match="defaults: 'fill' is no key for all stages; use overlays, settings"):
        parse_recipe([FIRST], ["g"], {"fill": {"g": "a"}})


def test_a_control_may_be_filled_by_a_control(plan):
    control = {"name": "c", "train": ["dataset1"], "control": True}
    follower = {"name": "d", "train": ["dataset1", "dataset4"], "fill": {"dataset4": "c"}, "control": True}
    stages = plan(control, follower)
    assert stages["d"].fills[0].model_stage == "c"


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (
            {"train": ["dataset1", "dataset4"]},
            "stage b: 2 of 2 cases of dataset4 have no label; let an earlier model fill dataset4, or leave it out",
        ),
        (
            {"train": ["dataset4"], "fill": {"dataset4": "a"}, "labels": "annotated"},
            "stage b: 2 of 2 cases of dataset4 have no label",
        ),
        ({"train": ["empty"]}, "stage b: empty hold no case to train on; check the groups"),
    ],
)
def test_a_stage_without_labels_to_train_on(plan, groups, stage, message):
    with pytest.raises(InputError) as error:
        plan({"name": "a", "train": ["dataset1"]}, {"name": "b", **stage}, of={**groups, "empty": []})
    assert str(error.value).startswith(message)


def test_a_case_keeps_what_was_annotated_in_it(plan, groups):
    one = plan({"name": "a", "train": ["dataset3"]})["a"].training[0]
    assert one == TrainingCase(groups["dataset3"][0], None, (1, 5))


def test_stages_may_be_named_by_numbers(plan):
    stages = plan({"name": 1, "train": ["dataset1"]}, {"name": 2, "train": ["dataset4"], "fill": {"dataset4": 1}})
    assert [fill[:2] for fill in filled(stages["2"])] == [("dataset4", "1")]
