import numpy as np
import pytest

from custom.errors import InputError
from custom.fingerprint.case_intensity import case_intensity
from custom.fingerprint.data_check import CaseFacts
from custom.fingerprint.dataset_fingerprint import CaseRecord
from custom.fingerprint.summary import common_axes, summarise


def record(name, orientation="RAS", shape=(10, 20, 30), spacing=(1.0, 2.0, 3.0), labels=None, channels=1, **changes):
    facts = CaseFacts(
        name, ["scan"] * channels, "label", list(shape), list(spacing), [], labels or {0: 5990, 1: 10}, []
    )
    intensity = case_intensity(np.array([30.0, 50.0]))
    fields = {"shape_after_crop": list(shape), "lowest": [-1000.0] * channels, "intensities": [intensity] * channels}
    return CaseRecord(facts=facts, orientation=orientation, **{**fields, **changes})


def test_shapes_and_spacings_in_the_order_nnunet_reads_files():
    found = summarise([record("a"), record("b")], 1)
    assert (found.axes, found.names) == ("SAR", ("a", "b"))
    assert found.spacings.tolist() == [[3, 2, 1]] * 2
    assert found.shapes.tolist() == [[30, 20, 10]] * 2


def test_files_of_other_orientations_are_measured_along_the_same_anatomical_axes():
    """The same scan, its axes permuted and flipped in the file, is the same to the planner."""
    stored = record("b", "PIR", shape=(20, 30, 10), spacing=(2.0, 3.0, 1.0))
    found = summarise([record("a"), record("c"), stored], 1)
    assert found.axes == "SAR"
    assert found.spacings.tolist() == [[3, 2, 1]] * 3
    assert found.shapes.tolist() == [[30, 20, 10]] * 3
    assert found.orientation_counts == {"RAS": 2, "PIR": 1}


@pytest.mark.parametrize(
    ("orientations", "expected"),
    [
        (["LPI"], "SAR"),
        (["PIR"], "RSA"),
        (["RAS", "LPI", "PIR"], "SAR"),  # flips make no other order
        (["PIR", "RAS"], "RSA"),
        (["RAS", "PIR"], "RSA"),
    ],
)
def test_common_axes(orientations, expected):
    assert common_axes(orientations) == expected


def test_a_class_not_annotated_does_not_count_as_absent():
    cases = [
        record("both", labels={0: 90, 1: 5, 2: 5}),
        record("complete without 2", labels={0: 95, 1: 5}),
        record("only 1 annotated", labels={0: 95, 1: 5}, annotated=(1,)),
    ]
    found = summarise(cases, 2)
    assert (found.present, found.annotated) == ((3, 1), (3, 2))


def test_medians_over_cases():
    cases = [
        record(str(number), labels={0: 100 - number, 1: number}, shape_after_crop=[10, 20, depth])
        for number, depth in ((1, 30), (2, 15), (50, 3))
    ]
    found = summarise(cases, 1)
    assert found.foreground_share == pytest.approx(0.02)
    assert found.relative_size == pytest.approx(0.5)
    assert found.lowest == (-1000,)


def test_intensities_of_each_channel():
    dark, bright = case_intensity(np.array([1.0, 3.0])), case_intensity(np.array([100.0, 300.0]))
    found = summarise([record("a", channels=2, intensities=[dark, bright])], 1)
    assert [channel["mean"] for channel in found.intensities] == [2, 200]


def test_no_cases_and_uneven_channels_are_refused():
    with pytest.raises(InputError, match="no labelled case was found"):
        summarise([], 1)
    with pytest.raises(InputError, match="case a has 1 channels, case b has 2; give every case the same"):
        summarise([record("a"), record("b", channels=2)], 1)
