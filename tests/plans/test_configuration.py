import math

import numpy as np
import pytest

from custom.errors import InputError
from custom.plans.configuration import plan_configuration, plan_full_resolution, target_spacing


def cases(*rows, times=1):
    return np.array([row for row in rows for _ in range(times)], dtype=float)


def test_target_is_the_median_of_each_axis():
    spacings = cases([3, 1, 1], [2, 0.8, 0.8], [2.5, 0.9, 0.9])
    found = target_spacing(spacings, cases([90, 100, 100], times=3))
    assert found.spacing == (2.5, 0.9, 0.9)
    assert found.anisotropic is None


def test_few_thick_slices_take_their_tenth_percentile():
    spacings = cases(*([slices, 1.5, 1.5] for slices in range(5, 16)))  # 5 to 15 mm, median 10
    found = target_spacing(spacings, cases([10, 256, 256], times=11))
    assert found.spacing == pytest.approx((6, 1.5, 1.5))
    assert found.anisotropic == 0


def test_many_thick_slices_keep_their_median():
    spacings = cases(*([slices, 1.5, 1.5] for slices in range(5, 16)))
    assert target_spacing(spacings, cases([90, 256, 256], times=11)).spacing == (10, 1.5, 1.5)


def test_thick_slices_never_become_finer_than_the_other_axes():
    spacings = cases([0.5, 1, 1], [0.5, 1, 1], [4, 1, 1], [4, 1, 1], [4, 1, 1])
    assert target_spacing(spacings, cases([10, 256, 256], times=5)).spacing == pytest.approx((1.00001, 1, 1), abs=1e-9)


def test_coarsest_axis_comes_first_and_the_others_keep_their_order():
    found = plan_full_resolution(cases([0.5, 0.6, 4], times=9), cases([200, 210, 20], times=9), 2)
    assert found.order == (2, 0, 1)
    assert found.spacing == (4, 0.5, 0.6)
    assert found.median_shape == (20, 200, 210)


def test_median_shape_is_that_of_resampled_scans():
    found = plan_full_resolution(cases([1, 1, 1], [2, 1, 1], [4, 1, 1]), cases([100, 64, 64], times=3), 2)
    assert found.spacing == (2, 1, 1)
    assert found.median_shape == (100, 64, 64)  # 50, 100 and 200 slices


def test_memory_decides_the_patch_and_never_exceeds_it():
    spacing, shape = [1, 1, 1], [300, 300, 300]
    patches = []
    for memory_gb in (2, 4, 8, 16, 32):
        found = plan_configuration(spacing, shape, 1e12, 3, memory_gb)
        assert found.estimate <= 560e6 * memory_gb / 8
        assert found.batch_size >= 2
        patches.append(math.prod(found.topology.patch_size))
    assert patches == sorted(patches)
    assert patches[0] < patches[-1]


def test_small_scans_fill_the_memory_with_a_batch_of_at_most_a_twentieth_of_the_voxels():
    shape = [40, 56, 40]
    voxels = math.prod(shape)
    fitting = round(560e6 / 19_174_400 * 2)
    assert plan_configuration([1, 1, 1], shape, voxels * 10_000, 3).batch_size == fitting == 58
    assert plan_configuration([1, 1, 1], shape, voxels * 200, 3).batch_size == 10
    assert plan_configuration([1, 1, 1], shape, voxels * 5, 3).batch_size == 2


def test_coverage_is_the_share_of_the_median_scan_in_a_patch():
    small = plan_full_resolution(cases([1, 1, 1], times=9), cases([150, 150, 150], times=9), 2)
    large = plan_full_resolution(cases([1, 1, 1], times=9), cases([400, 400, 400], times=9), 2)
    assert large.coverage == math.prod(large.configuration.topology.patch_size) / 400**3 < 0.25 < small.coverage


@pytest.mark.parametrize("spacing", [[5, 1, 1], [1, 1, 1], [0.5, 1, 1]])
def test_scans_of_one_slice_are_refused(spacing):
    with pytest.raises(InputError, match="the median scan has 1 slice along its shortest axis; networks here are 3D"):
        plan_full_resolution(cases(spacing, times=3), cases([1, 100, 100], times=3), 2)


def test_too_little_memory_is_said():
    with pytest.raises(InputError, match=r"memory_gb 0.001 is too little for a patch of this data; pass more"):
        plan_configuration([1, 1, 1], [100, 100, 100], 1e9, 3, memory_gb=0.001)
