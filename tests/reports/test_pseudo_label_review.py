"""Which hand-made facts are suspicious, and in which order."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from custom.fingerprint.label_statistics import LabelStatistics
from custom.reports.pseudo_label_review import (
    COLUMNS,
    COMPONENTS,
    CONFIDENCE,
    MISSING,
    UNREADABLE,
    VOLUME,
    Suspicion,
    annotated_distribution,
    ranked_by_case,
    suspicions,
    write_review,
)

NAMES = ("liver", "adrenal", "tumour")
LIVER, ADRENAL, TUMOUR = 1, 2, 3


def facts(liver=1500.0, adrenal=4.0, tumour=0.0, name="case", pieces=1):
    volumes = {LIVER: liver, ADRENAL: adrenal, TUMOUR: tumour}
    return LabelStatistics(name, volumes, {number: pieces if ml else 0 for number, ml in volumes.items()})


def annotated(count=20):
    """Livers of 1500 ml times or by 1.25, adrenals of 4 ml, tumours of 1 to 20 ml in every other case."""
    factors = (0.8, 1.0, 1.25)
    return [(facts(1500 * factors[i % 3], 4.0, (i + 1.0) * (i % 2)), (LIVER, ADRENAL, TUMOUR)) for i in range(count)]


@pytest.fixture
def usual():
    return annotated_distribution(annotated())


def reasons(*args, **kwargs):
    return {(one.class_name, one.reason) for one in suspicions(*args, NAMES, lesions=(TUMOUR,), **kwargs)}


def test_the_distribution_is_that_of_the_annotated_cases_that_have_the_class(usual):
    assert usual[LIVER].log_volume == pytest.approx(math.log(1500))
    assert usual[LIVER].log_spread == pytest.approx(1.4826 * math.log(1.25))
    assert usual[ADRENAL].log_spread == 0.2  # the floor: all are equal
    assert usual[TUMOUR].share_present == 0.5
    assert usual[TUMOUR].large_ml == pytest.approx(19.1)  # of 2, 4, ... 20


def test_a_class_counts_only_where_it_is_annotated():
    cases = [
        (facts(), (LIVER,)),
        (facts(adrenal=0), (LIVER, ADRENAL)),
        (LabelStatistics("bad", problem="torn"), (LIVER,)),
    ]
    found = annotated_distribution(cases)
    assert found[LIVER].cases == 2
    assert found[ADRENAL].cases == 1
    assert found[ADRENAL].share_present == 0
    assert math.isnan(found[ADRENAL].log_volume)
    assert TUMOUR not in found


def test_an_outlier_among_the_annotated_does_not_move_the_distribution(usual):
    cases = [*annotated(), (facts(liver=1.0), (LIVER,))]
    assert annotated_distribution(cases)[LIVER].log_spread == pytest.approx(usual[LIVER].log_spread, rel=0.01)


def test_an_ordinary_case_is_not_suspicious(usual):
    assert suspicions(facts(), {LIVER: 0.95, ADRENAL: 0.8}, usual, NAMES) == []


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_volume_is_suspicious_from_the_threshold_on(usual, sign):
    spread = usual[LIVER].log_spread
    within, beyond = (1500 * math.exp(sign * z * spread) for z in (3.4, 3.6))
    assert reasons(facts(within), {}, usual) == set()
    assert reasons(facts(beyond), {}, usual) == {("liver", VOLUME)}
    found = suspicions(facts(beyond), {}, usual, NAMES)[0]
    assert found.value == beyond
    assert found.severity == pytest.approx(3.6 / 3.5)
    low, high = (1500 * math.exp(z * spread) for z in (-3.5, 3.5))
    assert found.expected == f"{low:.0f} to {high:.0f} ml"


def test_an_organ_most_cases_have_is_missing(usual):
    assert reasons(facts(adrenal=0), {}, usual) == {("adrenal", MISSING)}
    share = [(facts(adrenal=4.0 * (i >= absent)), (ADRENAL,)) for absent in (2, 3) for i in range(20)]
    assert reasons(facts(adrenal=0), {}, annotated_distribution(share[:20])) == {("adrenal", MISSING)}  # 90 %
    assert reasons(facts(adrenal=0), {}, annotated_distribution(share[20:])) == set()  # 85 %


def test_low_confidence_is_suspicious_only_where_the_class_was_found(usual):
    assert reasons(facts(), {LIVER: 0.59, ADRENAL: 0.6}, usual) == {("liver", CONFIDENCE)}
    assert reasons(facts(adrenal=0), {ADRENAL: 0.0}, usual) == {("adrenal", MISSING)}
    assert reasons(facts(), {LIVER: math.nan}, usual) == set()


def test_more_components_than_usual_are_suspicious():
    whole = annotated_distribution(annotated())
    assert reasons(facts(pieces=3), {}, whole) == set()
    assert reasons(facts(pieces=4), {}, whole) == {("liver", COMPONENTS), ("adrenal", COMPONENTS)}
    in_pieces = annotated_distribution((facts(pieces=6), (LIVER, ADRENAL)) for _ in range(9))
    assert reasons(facts(pieces=6), {}, in_pieces) == set()
    assert reasons(facts(pieces=7), {}, in_pieces) == {("liver", COMPONENTS), ("adrenal", COMPONENTS)}


def test_lesions_may_be_absent_small_and_many_but_neither_huge_nor_doubtful(usual):
    assert reasons(facts(tumour=0), {}, usual) == set()
    scattered = LabelStatistics("case", {TUMOUR: 0.01}, {TUMOUR: 40})
    assert reasons(scattered, {}, usual) == set()
    assert reasons(facts(tumour=38), {}, usual) == set()
    assert reasons(facts(tumour=39), {}, usual) == {("tumour", VOLUME)}  # twice 19.1
    assert reasons(facts(tumour=10), {TUMOUR: 0.5}, usual) == {("tumour", CONFIDENCE)}


def test_few_annotated_cases_say_nothing_about_volumes():
    few = annotated_distribution(annotated(4))
    assert reasons(facts(liver=1, adrenal=0, tumour=900), {}, few) == set()
    assert reasons(facts(liver=1), {}, annotated_distribution(annotated(5))) == {("liver", VOLUME)}
    assert reasons(facts(liver=1), {LIVER: 0.1}, {}) == {("liver", CONFIDENCE)}


def test_only_the_classes_asked_for_are_examined(usual):
    bad = facts(liver=1, adrenal=0)
    assert {one.class_name for one in suspicions(bad, {}, usual, NAMES, classes=(ADRENAL,))} == {"adrenal"}


def test_a_missing_liver_is_worse_than_a_missing_adrenal_and_than_a_small_liver(usual):
    found = suspicions(facts(liver=0, adrenal=0), {}, usual, NAMES)
    assert [one.class_name for one in found] == ["liver", "adrenal"]
    small = suspicions(facts(liver=300), {}, usual, NAMES)[0]
    speck = suspicions(facts(liver=0.001), {}, usual, NAMES)[0]
    assert 1 < small.severity < speck.severity == pytest.approx(found[0].severity)


def test_an_unreadable_label_comes_first(usual):
    rows = [
        *suspicions(facts(liver=0), {}, usual, NAMES),
        *suspicions(LabelStatistics("z", problem="torn"), {}, usual, NAMES),
    ]
    assert list(ranked_by_case(rows)) == ["z", "case"]
    assert rows[-1].reason == UNREADABLE
    assert rows[-1].expected == "torn"


def row(case, severity, name="liver", reason=VOLUME, value: float | None = 2.0):
    return Suspicion(case, name, reason, value, "3 to 4 ml", severity)


def test_cases_are_ranked_by_their_worst_then_by_all_then_by_name():
    rows = [row("d", 2), row("b", 1), row("a", 2), row("b", 3), row("c", 2), row("c", 1.5)]
    ranked = ranked_by_case(rows)
    assert list(ranked) == ["b", "c", "a", "d"]
    assert [one.severity for one in ranked["b"]] == [3, 1]


def test_the_table_holds_every_row_ranked(tmp_path: Path):
    rows = [row("a", 1.25), row("b", 4, "adrenal", MISSING, 0.0), row("b", 1.5, reason=CONFIDENCE, value=0.51234)]
    assert write_review(tmp_path / "review", rows) == 2
    with (tmp_path / "review" / "suspicious.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert lines == [
        list(COLUMNS),
        ["b", "adrenal", "missing", "0", "3 to 4 ml", "4.00"],
        ["b", "liver", "low confidence", "0.5123", "3 to 4 ml", "1.50"],
        ["a", "liver", "volume", "2", "3 to 4 ml", "1.25"],
    ]
    assert [file.name for file in (tmp_path / "review").iterdir()] == ["suspicious.csv"]


def test_without_suspicions_the_table_has_its_header(tmp_path):
    assert write_review(tmp_path, []) == 0
    assert (tmp_path / "suspicious.csv").read_text().splitlines() == [",".join(COLUMNS)]


def test_an_interrupted_table_leaves_the_former_one(tmp_path):
    write_review(tmp_path, [row("a", 1)])
    before = (tmp_path / "suspicious.csv").read_bytes()
    bad = Suspicion("a", "liver", VOLUME, "many", "", 1)  # a value that cannot be written as a number
    with pytest.raises(ValueError, match="format"):
        write_review(tmp_path, [row("b", 2), bad])
    assert (tmp_path / "suspicious.csv").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("one", "caption"),
    [
        (row("a", 1, value=12.34), "liver: 12 ml, usually 3 to 4 ml"),
        (row("a", 1, reason=MISSING, value=0.0), "liver missing"),
        (row("a", 1, reason=CONFIDENCE, value=0.456), "liver: confidence 0.46"),
        (row("a", 1, reason=COMPONENTS, value=7), "liver: 7 components"),
        (row("a", 1, "", UNREADABLE, None), "the label cannot be read"),
    ],
)
def test_captions(one, caption):
    assert one.caption == caption
