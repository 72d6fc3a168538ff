import numpy as np
import pytest

from custom.metrics.resource_use import area_under, flare_tolerances_kept, resource_use

TIMES = np.array([0.1, 0.2, 0.3, 0.4])
CPU = np.array([10.0, 50.0, 100.0, 0.0])
MEMORY = np.array([100.0, 300.0, 200.0, 0.0])
GPU = np.array([[500.0, 0.0], [2000.0, 10.0], [1000.0, 100.0], [500.0, 0.0]])


def test_area_of_even_samples_is_flare_s_tenth_of_the_sum():
    assert area_under(GPU[:, 0], TIMES) == pytest.approx(0.1 * GPU[:, 0].sum())


def test_a_late_sample_stands_for_the_time_since_the_one_before():
    assert area_under(np.array([1.0, 10.0, 100.0]), np.array([0.5, 2.5, 3.0])) == 0.5 * 1 + 2 * 10 + 0.5 * 100


def test_figures_of_a_run():
    use = resource_use(TIMES, CPU, MEMORY, GPU, cases=2)
    assert (use["seconds"], use["seconds_per_case"], use["cases"], use["samples"]) == (0.4, 0.2, 2, 4)
    assert use["cpu"] == {
        "maximum_percent": 100,
        "mean_percent": 40,
        "area_percent_s": 16,
        "area_percent_s_per_case": 8,
    }
    assert use["memory"] == {"maximum_mb": 300}
    assert use["gpu"] == {
        "maximum_mb": 2010,
        "area_mb_s": 411,
        "area_mb_s_per_case": 205.5,
        "maximum_mb_of_each": [2000, 100],
    }


def test_gpus_may_be_unmeasured():
    assert resource_use(TIMES, CPU, MEMORY)["gpu"] is None


def test_tolerances_are_15_s_a_case_and_4_gb():
    times = np.array([10.0, 30.0])
    kept = flare_tolerances_kept(resource_use(times, CPU[:2], MEMORY[:2], np.array([[4096.0], [0.0]]), cases=2))
    assert kept == {
        "seconds_per_case": {"value": 15, "tolerance": 15, "kept": True},
        "gpu_maximum_mb": {"value": 4096, "tolerance": 4096, "kept": True},
    }
    exceeded = flare_tolerances_kept(resource_use(times, CPU[:2], MEMORY[:2], np.array([[4097.0], [0.0]])))
    assert [check["kept"] for check in exceeded.values()] == [False, False]
    unknown = flare_tolerances_kept(resource_use(times, CPU[:2], MEMORY[:2]))
    assert unknown["gpu_maximum_mb"] == {"value": None, "tolerance": 4096, "kept": None}
