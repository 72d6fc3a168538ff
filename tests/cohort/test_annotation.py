import logging
from pathlib import Path

import pytest

from custom.cohort.annotation import annotated_as_given, annotated_by_source, annotated_by_values, parse_classes
from custom.cohort.sources import FoundCase
from custom.errors import InputError

CLASSES = ("liver", "left_kidney", "tumour")
SOURCE = Path("cases.csv")


def found(name, source="", given=None, label="label.nii.gz"):
    return FoundCase(name, f"{name}.nii.gz", label, source=source, given=given)


def test_values_say_loudly_that_absent_is_not_annotated(caplog):
    assert annotated_by_values({"a": (1, 3), "b": ()}) == {"a": (1, 3), "b": ()}
    assert caplog.records[0].levelno == logging.WARNING
    assert "counts as NOT annotated" in caplog.text


def test_a_source_group_shares_the_union_of_its_labels(caplog):
    caplog.set_level(logging.INFO)
    cases = [found("a", "AMOS"), found("b", "AMOS"), found("c", "BTCV"), found("d", "AMOS", label=None)]
    annotated = annotated_by_source(cases, {"a": (1,), "b": (2,), "c": (3,)}, CLASSES)
    assert annotated == {"a": (1, 2), "b": (1, 2), "c": (3,)}
    assert "group AMOS, 2 cases: liver, left_kidney" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_group_that_looks_pooled_by_mistake_is_pointed_out(caplog):
    cases = [found(f"c{number}", "FLARE23") for number in range(5)]
    annotated_by_source(cases, {"c0": (1, 2)} | {f"c{number}": (1,) for number in range(1, 5)}, CLASSES)
    assert "group FLARE23: left_kidney is in only 1 of its 5 labels, yet counts as annotated in all" in caplog.text


def test_a_group_of_empty_labels_has_nothing_annotated():
    assert annotated_by_source([found("a", "X")], {"a": ()}, CLASSES) == {"a": ()}


def test_given_for_each_case_by_name_or_id():
    cases = [found("a", given="Left Kidney; 1"), found("b", given="3"), found("c", label=None)]
    annotated = annotated_as_given(cases, {"a": (2,), "b": ()}, CLASSES, None, SOURCE)
    assert annotated == {"a": (1, 2), "b": (3,)}


def test_given_for_every_label():
    cases = [found("a"), found("b", given="tumour")]
    assert annotated_as_given(cases, {"a": (), "b": (1,)}, CLASSES, "liver", SOURCE) == {"a": (1,), "b": (1,)}


@pytest.mark.parametrize(
    ("given", "present", "message"),
    [
        (None, (1,), 'case a has no "annotated"; fill that column of a CSV, or pass --annotated'),
        ("spleen", (1,), "case a: annotated: 'spleen' is none of the 3 classes liver, left_kidney, tumour; correct it"),
        ("4", (1,), "case a: annotated: '4' is none of the 3 classes"),
        (";", (1,), "case a: annotated is empty; name one class or more of liver, left_kidney, tumour"),
        ("liver", (1, 3), "case a: its label holds voxels of tumour, not given as annotated"),
    ],
)
def test_given_faults(given, present, message):
    with pytest.raises(InputError, match=message):
        annotated_as_given([found("a", given=given)], {"a": present}, CLASSES, None, SOURCE)


def test_given_faults_of_several_cases_are_one_line_each():
    cases = [found("a", given="spleen"), found("b", given="spleen")]
    with pytest.raises(InputError) as error:
        annotated_as_given(cases, {"a": (), "b": ()}, CLASSES, None, SOURCE)
    lines = str(error.value).splitlines()
    assert (len(lines), "case a" in lines[0], "case b" in lines[1]) == (2, True, True)


def test_unknown_classes_given_for_every_label_are_one_fault():
    with pytest.raises(InputError, match=r"^annotated: 'spleen' is none"):
        annotated_as_given([found("a"), found("b")], {"a": (), "b": ()}, CLASSES, "spleen", SOURCE)


@pytest.mark.parametrize("text", ["liver;tumour", "liver, TUMOUR", "1;3", "tumour;;liver;liver"])
def test_ways_to_write_classes(text):
    assert parse_classes(text, CLASSES, "annotated") == (1, 3)
