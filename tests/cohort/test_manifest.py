import json
from dataclasses import replace

import pytest

from custom.cohort.manifest import (
    FLARE_CLASSES,
    Cohort,
    CohortCase,
    default_group_rules,
    group_cases,
    read_cohort,
    write_cohort,
)
from custom.errors import InputError

CLASSES = ("liver", "spleen", "tumour")
ORGANS = tuple(range(1, 14))
PAPER_SETS = {"dataset1": ORGANS, "dataset2": (1, 2, 3, 4, 13, 14), "dataset3": (1, 5), "dataset4": ()}


def case(name, annotated=(1,), use="training", source=""):
    return CohortCase(
        name, f"/data/{name}.nii.gz", f"/data/{name}_label.nii.gz" if annotated else None, annotated, use, source
    )


def cohort(*cases, classes=CLASSES, lesions=(3,)):
    return Cohort("abdomen", classes, lesions, cases, "as given")


def manifest(**changes):
    content = {
        "name": "abdomen",
        "classes": list(CLASSES),
        "lesions": ["tumour"],
        "cases": [
            {"name": "a", "image": "images/a.nii.gz", "label": "labels/a.nii.gz", "annotated": ["spleen", "liver"]},
            {"name": "b", "image": "/far/b.nii.gz", "label": None, "annotated": []},
        ],
    }
    return {**content, **changes}


@pytest.fixture
def read(tmp_path):
    def write_and_read(content):
        (tmp_path / "cohort.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return read_cohort(tmp_path / "cohort.json")

    return write_and_read


def test_a_manifest_is_read_with_ids_and_absolute_paths(read, tmp_path):
    found = read(manifest())
    first, second = found.cases
    assert first == CohortCase("a", str(tmp_path / "images/a.nii.gz"), str(tmp_path / "labels/a.nii.gz"), (1, 2))
    assert second == CohortCase("b", "/far/b.nii.gz", None, ())
    assert (found.num_classes, found.lesions, found.organs) == (4, (3,), (1, 2))
    assert found.class_ids(["tumour", "liver"]) == (3, 1)
    assert found.class_names((3, 1)) == ("tumour", "liver")


def test_training_and_validation_share_the_cases():
    found = cohort(case("a"), case("b", use="validation"), case("c", ()))
    assert [one.name for one in found.training] == ["a", "c"]
    assert [one.name for one in found.validation] == ["b"]


def test_what_was_written_is_read_back(tmp_path):
    cases = (case("a", (1, 3), source="AMOS"), case("b", ()), case("c", (1, 2, 3), "validation"))
    write_cohort(tmp_path / "new" / "cohort.json", cohort(*cases))
    assert read_cohort(tmp_path / "new" / "cohort.json") == cohort(*cases)


def test_manifest_and_files_below_it_can_move_together(tmp_path):
    inside = replace(case("a"), image=str(tmp_path / "old" / "images" / "a.nii.gz"))
    write_cohort(tmp_path / "old" / "cohort.json", cohort(inside))
    entry = json.loads((tmp_path / "old" / "cohort.json").read_text())["cases"][0]
    assert (entry["image"], entry["label"]) == ("images/a.nii.gz", "/data/a_label.nii.gz")
    (tmp_path / "old").rename(tmp_path / "moved")
    assert read_cohort(tmp_path / "moved" / "cohort.json").cases[0].image == str(tmp_path / "moved/images/a.nii.gz")


def test_files_below_the_linked_folder_of_a_manifest_are_relative_too(tmp_path):
    (tmp_path / "real" / "images").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    inside = replace(case("a"), image=str(tmp_path / "real" / "images" / "a.nii.gz"))
    write_cohort(tmp_path / "link" / "cohort.json", cohort(inside))
    assert json.loads((tmp_path / "real" / "cohort.json").read_text())["cases"][0]["image"] == "images/a.nii.gz"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": []}, '"classes" is []; it must be a list of class names'),
        ({"classes": ["liver", "liver"]}, '"classes" names liver twice; give every class its own name'),
        ({"classes": ["background", "liver"]}, "names background, which is always 0; leave it out"),
        ({"classes": [f"c{i}" for i in range(255)]}, "has 255 names; at most 254 fit 8-bit labels"),
        (
            {"lesions": ["tumor"]},
            "\"lesions\" names 'tumor', none of the classes liver, spleen, tumour; correct the name",
        ),
        ({"lesions": "tumour"}, "\"lesions\" is 'tumour'; it must be a list of class names"),
        ({"name": 3}, '"name" is 3; write a text'),
        ({"cases": []}, '"cases" must be a list of at least one case; add the cases'),
        ({"cases": ["a.nii.gz"]}, "entry 0 of \"cases\" is 'a.nii.gz'; write an object with name, image"),
    ],
)
def test_faults_of_the_head(read, tmp_path, change, message):
    with pytest.raises(InputError) as error:
        read(manifest(**change))
    assert str(error.value).startswith(str(tmp_path / "cohort.json"))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "x/y"}, 'entry 0 of "cases": "name" is \'x/y\'; write one that can be the name of a file'),
        ({"name": None}, 'entry 0 of "cases": "name" is None'),
        ({"image": ""}, "case a: \"image\" is ''; name the scan's file"),
        ({"label": 3}, 'case a: "label" is 3; name the label\'s file, or write null'),
        ({"label": None}, 'case a: "label" is null although classes are annotated'),
        ({"annotated": []}, 'case a: "annotated" is empty although there is a label'),
        ({"annotated": ["livr"]}, "case a: \"annotated\" names 'livr', none of the classes liver, spleen, tumour"),
        ({"annotated": "liver"}, "case a: \"annotated\" is 'liver'; it must be a list of class names"),
        ({"use": "tests"}, "case a: \"use\" is 'tests'; write training, validation or test"),
        ({"use": "validation", "label": None, "annotated": []}, 'case a: "use" is validation without a label'),
        ({"source": 1}, 'case a: "source" is 1; write a text'),
        ({"anotated": []}, 'case a: "anotated" is unknown; correct it to one of name, image, label, annotated'),
        ({"name": "b"}, "case b: 2 cases have this name; rename them"),
        ({"image": "/far/./b.nii.gz"}, "case b: its image /far/b.nii.gz is the image of case a too; remove one"),
    ],
)
def test_faults_of_a_case(read, change, message):
    content = manifest()
    content["cases"][0] = {**content["cases"][0], **change}
    with pytest.raises(InputError) as error:
        read(content)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_every_fault_has_its_line_and_many_are_counted(read, tmp_path):
    cases = [{"name": f"c{i}", "image": f"{i}.nii.gz", "label": "x.nii.gz", "annotated": ["lver"]} for i in range(13)]
    with pytest.raises(InputError) as error:
        read(manifest(cases=cases))
    lines = str(error.value).splitlines()
    assert lines[0].startswith(f"{tmp_path / 'cohort.json'} has 13 faults: case c0:")
    assert len(lines) == 11
    assert lines[-1].strip() == "and 3 more like these"


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not readable as JSON"), ("[]", "must hold an object with classes")]
)
def test_no_manifest(read, text, message):
    with pytest.raises(InputError, match=message):
        read(text)


def test_missing_manifest(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(No such file"):
        read_cohort(tmp_path / "cohort.json")


def test_a_cohort_with_faults_is_not_written(tmp_path):
    with pytest.raises(InputError, match="2 cases have this name"):
        write_cohort(tmp_path / "cohort.json", cohort(case("a"), case("a")))
    assert not list(tmp_path.iterdir())


def test_a_manifest_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_cohort(tmp_path / "file" / "cohort.json", cohort(case("a")))


def test_unknown_class_name():
    with pytest.raises(InputError, match="'kidney' is none of the cohort's classes liver, spleen, tumour"):
        cohort().class_ids(["liver", "kidney"])


def flare_cohort():
    """Two cases of each of the paper's sets under names that tell nothing, and one with all fourteen classes."""
    cases = [case(f"case_{number}", annotated) for number, annotated in enumerate([*PAPER_SETS.values()] * 2)]
    return cohort(*cases, case("whole", (*ORGANS, 14)), classes=FLARE_CLASSES, lesions=(14,))


def test_the_papers_groups_follow_from_the_annotated_sets():
    flare = flare_cohort()
    groups = group_cases(flare.training, default_group_rules(flare), flare)
    assert list(groups) == list(PAPER_SETS)
    assert [one.name for one in groups["dataset1"]] == ["case_0", "case_4", "whole"]
    assert [one.name for one in groups["dataset2"]] == ["case_1", "case_5"]
    assert [one.name for one in groups["dataset3"]] == ["case_2", "case_6"]
    assert [one.name for one in groups["dataset4"]] == ["case_3", "case_7"]


def test_groups_do_not_depend_on_names_sources_or_files():
    flare = flare_cohort()
    renamed = [
        CohortCase(f"dataset{number}", f"/x/dataset{number}.nii", one.label, one.annotated, source="dataset1")
        for number, one in enumerate(flare.cases)
    ]
    groups = group_cases(renamed, default_group_rules(flare), flare)
    as_before = group_cases(flare.cases, default_group_rules(flare), flare)
    assert [[one.annotated for one in cases] for cases in groups.values()] == [
        [one.annotated for one in cases] for cases in as_before.values()
    ]


def test_other_classes_have_no_dataset2():
    found = cohort(case("a", (1, 2)), case("b", (1,)), case("c", (1, 3)), case("d", ()))
    groups = group_cases(found.cases, default_group_rules(found), found)
    names = {name: [one.name for one in group] for name, group in groups.items()}
    assert names == {"dataset1": ["a"], "dataset3": ["b", "c"], "dataset4": ["d"]}


def test_groups_without_any_case_are_left_out_of_the_default():
    found = cohort(case("a", (1,)), case("b", (2,)), case("c", ()), classes=("anterior", "posterior"), lesions=())
    assert list(default_group_rules(found)) == ["dataset3", "dataset4"]
    only_lesions = cohort(case("a", (1,)), case("b", ()), classes=("tumour",), lesions=(1,))
    assert list(default_group_rules(only_lesions)) == ["dataset3", "dataset4"]


def test_the_first_rule_that_holds_takes_a_case():
    found = cohort(case("a", (1, 2)), case("b", (1, 2, 3)), case("c", (2,)))
    rules = {
        "no tumour": {"annotated": ["liver"], "not_annotated": ["tumour"]},
        "empty": {"any_annotated": False},
        "rest": {},
    }
    groups = {name: [one.name for one in group] for name, group in group_cases(found.cases, rules, found).items()}
    assert groups == {"no tumour": ["a"], "empty": [], "rest": ["b", "c"]}


def test_a_case_that_no_rule_takes_is_named_with_its_set():
    found = cohort(case("a", (1, 3)), case("b", ()))
    with pytest.raises(InputError, match="case a, annotated: liver, tumour, belongs to none of the groups one, two;"):
        group_cases(found.cases, {"one": {"annotated": ["spleen"]}, "two": {"any_annotated": False}}, found)
    with pytest.raises(InputError, match="case b, annotated: nothing, belongs to none"):
        group_cases(found.cases, {"one": {"any_annotated": True}}, found)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"annotatd": ["liver"]}, "group g: its rule .* must be a mapping with the keys annotated, not_annotated"),
        (["liver"], "group g: its rule .* must be a mapping"),
        ({"annotated": "liver"}, "group g: 'annotated' is 'liver'; it must be a list of class names"),
        ({"not_annotated": ["livr"]}, "group g: 'not_annotated': 'livr' is none of the cohort's classes"),
        ({"any_annotated": "maybe"}, "group g: 'any_annotated' is 'maybe'; it must be true or false"),
    ],
)
def test_faults_of_a_rule(rule, message):
    with pytest.raises(InputError, match=message):
        group_cases([], {"g": rule}, cohort())
