import json

import numpy as np
import pytest

from custom.fingerprint.case_intensity import CaseIntensity, case_intensity, intensity_statistics


def draw(seed, count, mean=40.0, sd=30.0):
    return np.random.default_rng(seed).normal(mean, sd, count)


def test_whole_numbers_are_kept_exactly():
    found = case_intensity(np.array([-1000, 30, 30, 40], np.int16))
    assert (found.voxels, found.mean, found.minimum, found.maximum, found.width) == (4, -225, -1000, 40, 1)
    assert found.sd == pytest.approx(np.std([-1000, 30, 30, 40]))
    assert dict(zip(found.values.tolist(), found.counts.tolist(), strict=True)) == {-1000: 1, 30: 2, 40: 1}


def test_whole_numbers_as_floats_are_kept_exactly():
    assert case_intensity(np.array([5.0, 7.0, 7.0])).values.tolist() == [5, 7]


def test_other_values_lie_within_a_half_of_a_4096th_of_the_range():
    values = draw(0, 5000)
    found = case_intensity(values)
    unfolded = np.repeat(found.values, found.counts)
    assert np.abs(np.sort(unfolded) - np.sort(values)).max() <= np.ptp(values) / 4096 / 2 * (1 + 1e-9)
    assert found.mean == pytest.approx(values.mean())


@pytest.mark.parametrize("values", [[3.7], [3.7, 3.7], [-2, -2]])
def test_one_intensity(values):
    found = case_intensity(np.array(values))
    assert (found.values.tolist(), found.counts.tolist(), found.sd) == ([values[0]], [len(values)], pytest.approx(0))


def test_memory_of_wild_values_is_bounded():
    found = case_intensity(np.concatenate([draw(0, 1000), [1e30]]))
    assert len(found.bins) <= 4097
    assert found.maximum == 1e30


def test_no_foreground():
    assert case_intensity(np.array([])) is None
    assert intensity_statistics([None, None]) == {}


def test_survives_json():
    found = case_intensity(draw(1, 100))
    back = CaseIntensity.from_json(json.loads(json.dumps(found.to_json())))
    assert back.to_json() == found.to_json()
    assert back.bins.dtype == np.int32


def test_each_case_weighs_the_same_as_in_nnunets_sample():
    """nnU-Net's extractor: the same number of voxels of every case, drawn with replacement."""
    cases = [draw(0, 200, 0, 10).round(), draw(1, 50_000, 100, 20).round()]
    found = intensity_statistics([case_intensity(case) for case in cases])
    generator = np.random.default_rng(2)
    sample = np.concatenate([generator.choice(case, 200_000) for case in cases])
    for key, percentile in {"percentile_00_5": 0.5, "median": 50, "percentile_99_5": 99.5}.items():
        assert found[key] == pytest.approx(np.percentile(sample, percentile), abs=1)
    assert found["mean"] == pytest.approx(sample.mean(), abs=0.2)
    assert found["std"] == pytest.approx(sample.std(), abs=0.2)
    assert (found["min"], found["max"]) == (min(map(np.min, cases)), max(map(np.max, cases)))


def test_order_of_cases_does_not_matter():
    cases = [case_intensity(draw(seed, 500)) for seed in range(4)]
    forth, back = intensity_statistics(cases), intensity_statistics(cases[::-1])
    assert forth == pytest.approx(back)
