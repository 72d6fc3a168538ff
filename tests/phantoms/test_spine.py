"""Spine phantoms: sized after the paper's Table 1, each type in its place, gadolinium-enhanced T1, reproducible."""

import json
from collections import Counter
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import label as connected

from custom.errors import InputError
from custom.phantoms.spine import TUMOURS, make_spine_phantom, write_spine_phantoms
from custom.phantoms.spine.dataset import draw_types, list_cases
from custom.phantoms.spine.phantom import SUB_SLICES, draw_scene, render
from custom.phantoms.spine.scan import draw_grid
from custom.phantoms.spine.tumours import draw_volume_cm3, fit_radii

SMALL = {"extent_mm": (60.0, 110.0), "in_plane_mm": (1.1, 1.3)}
SEEDS = range(6)
TABLE_1 = {  # cm3: mean, standard deviation; mm: pixels, slices
    "meningioma": (2.8, 2.4, 0.60, 4.0),
    "ependymoma": (4.9, 5.2, 0.52, 3.8),
    "astrocytoma": (5.8, 6.0, 0.58, 3.7),
    "hemangioblastoma": (2.5, 3.7, 0.56, 3.6),
}


@cache
def rendered(seed, tumour):
    """(scene, signal without noise, tumour mask, distances to cord and dura, straightened y and z of all voxels)."""
    rng = np.random.default_rng(seed)
    scene = draw_scene(rng, tumour, **SMALL)
    signal, mask = render(rng, scene)
    middle = slice(SUB_SLICES // 2, None, SUB_SLICES)
    x, y, z = np.broadcast_arrays(*scene.points())
    points = (x[middle], y[middle], z[middle])
    return scene, signal, mask, scene.canal.cord.distance(points), scene.canal.sac.distance(points), points


def test_one_seed_gives_one_phantom_and_another_seed_another():
    first, again, other = (make_spine_phantom(seed, "meningioma", **SMALL) for seed in (3, 3, 4))
    for name in ("image", "label", "affine"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_label_is_one_connected_lump_of_its_class_away_from_the_border(number):
    for seed in range(4):
        phantom = make_spine_phantom(seed, list(TUMOURS)[number - 1], **SMALL)
        assert phantom.label.dtype == np.uint8 and phantom.image.dtype == np.int16
        assert phantom.label.shape == phantom.image.shape
        assert set(np.unique(phantom.label)) == {0, number}
        assert connected(phantom.label, np.ones((3, 3, 3)))[1] == 1
        assert phantom.label[1:-1, 1:-1, 1:-1].sum() == phantom.label.sum()


@pytest.mark.parametrize("tumour", TUMOURS)
def test_labelled_volume_is_the_drawn_one_to_a_voxel(tumour):
    for seed in SEEDS:
        scene, _, mask, *_ = rendered(seed, tumour)
        voxel = scene.grid.voxel_mm3
        assert mask.sum() * voxel == pytest.approx(scene.tumour.volume_mm3, abs=0.51 * voxel)


@pytest.mark.parametrize("tumour", TUMOURS)
def test_volumes_and_grids_follow_table_1(tumour):
    rng = np.random.default_rng(5)
    mean, deviation, pixel, slice_mm = TABLE_1[tumour]
    volumes = np.array([draw_volume_cm3(rng, tumour) for _ in range(10000)])
    # clipping to 0.3-20 cm3 cuts the long tail, most of all the hemangioblastoma's
    assert volumes.mean() == pytest.approx(mean, rel=0.1) and volumes.std() == pytest.approx(deviation, rel=0.25)
    grids = [draw_grid(rng, TUMOURS[tumour], (120, 200)) for _ in range(400)]
    slices, thickness, in_plane = np.array([(grid.shape[0], *grid.spacing_mm[:2]) for grid in grids]).T
    assert in_plane.mean() == pytest.approx(pixel, rel=0.05) and thickness.mean() == pytest.approx(slice_mm, rel=0.05)
    assert slices.mean() == pytest.approx(11.5, abs=1.5)
    for values, (low, high) in ((in_plane, (0.34, 1.06)), (thickness, (1.5, 8)), (slices, (9, 36))):
        assert values.min() >= low and values.max() <= high and values.std() > 0
    for grid in grids[:20]:
        np.testing.assert_allclose(nib.affines.voxel_sizes(grid.affine), grid.spacing_mm)
        assert nib.aff2axcodes(grid.affine) == ("R", "A", "S")


def test_types_have_the_papers_frequencies():
    assert Counter(draw_types(653, 0)) == {
        "meningioma": 247,
        "ependymoma": 203,
        "astrocytoma": 101,
        "hemangioblastoma": 102,
    }
    assert draw_types(60, 0) == draw_types(60, 0) != draw_types(60, 1)


@pytest.mark.parametrize("tumour", ["ependymoma", "astrocytoma"])
def test_intramedullary_tumours_lie_within_a_swollen_cord(tumour):
    for seed in SEEDS:
        scene, _, mask, cord, _, _ = rendered(seed, tumour)
        assert (cord[mask] < 0).mean() > 0.9
        *_, wide, deep = scene.canal.cord.section(np.array(scene.tumour.along_mm))
        assert wide > scene.spine.cord[0] or deep > scene.spine.cord[1]


def test_meningioma_lies_on_the_dura_beside_a_displaced_cord():
    for seed in SEEDS:
        scene, _, mask, cord, sac, (x, y, _) = rendered(seed, "meningioma")
        assert (cord[mask] > -0.8).all()
        assert (sac[mask] < 1.5).mean() > 0.95 and sac[mask].max() > -1.5, "within the dura, and reaching it"
        u, v = scene.tumour.direction
        cord_x, cord_y, *_ = scene.canal.cord.section(np.array(scene.tumour.along_mm))
        assert u * cord_x + v * cord_y <= 0, "the cord yields to the other side"
        assert (x[mask] * u + y[mask] * v).mean() > u * cord_x + v * cord_y


def test_hemangioblastoma_sits_on_the_back_of_the_cord():
    for seed in SEEDS:
        _, _, mask, cord, _, (_, y, _) = rendered(seed, "hemangioblastoma")
        assert 0 < (cord[mask] < 0).mean() < 0.75, "grown into the cord's surface, not within it"
        level = mask.any(axis=(0, 1))
        assert y[mask].mean() < y[:, :, level][cord[:, :, level] < 0].mean()


def test_contrast_is_that_of_gadolinium_enhanced_t1():
    enhancing = []
    for tumour in TUMOURS:
        for seed in SEEDS:
            scene, signal, mask, cord, sac, (x, y, z) = rendered(seed, tumour)
            away = (np.abs(z - scene.tumour.along_mm) > 1.2 * scene.tumour.radii[2] + 4) & (np.abs(x) < 2)
            fat = np.median(signal[away & (sac > 3) & (y < -scene.spine.sac[1] - 3) & (y > -scene.spine.sac[1] - 6)])
            tissue = np.median(signal[away & (cord < -1.5)])
            fluid = np.median(signal[away & (sac < -0.8) & (cord > 0.8)])
            assert fluid < 0.65 * tissue < 0.5 * fat, (tumour, seed)
            enhancing.append(np.percentile(signal[mask], 90) / tissue)
    assert min(enhancing) > 1.05 and np.median(enhancing) > 1.5


def test_astrocytomas_enhance_as_rings_and_hemangioblastomas_have_cysts_in_the_cord():
    def part_with_dark_core(tumour):
        dark = []
        for seed in range(12):
            scene, signal, mask, _, _, points = rendered(seed, tumour)
            core = mask & (scene.tumour.distance(points) < -0.6 * min(scene.tumour.radii))
            dark.append(signal[core].mean() < 0.85 * np.percentile(signal[mask], 90))
        return np.mean(dark)

    def part_with_cyst(tumour):
        dark = []
        for seed in range(12):
            scene, signal, mask, cord, _, (_, _, z) = rendered(seed, tumour)
            near = np.abs(np.abs(z - scene.tumour.along_mm) - scene.tumour.radii[2] - 4) < 3
            dark.append(np.percentile(signal[near & (cord < -1.5) & ~mask], 10) < 0.33)
        return np.mean(dark)

    assert part_with_dark_core("astrocytoma") > max(0.6, 0.15 + part_with_dark_core("ependymoma"))
    assert max(part_with_dark_core(name) for name in ("meningioma", "hemangioblastoma")) < 0.2
    assert part_with_cyst("hemangioblastoma") > 0.6 + part_with_cyst("meningioma")


def test_field_of_view_is_the_extent_asked_for():
    phantom = make_spine_phantom(0, "ependymoma", extent_mm=(70.0, 130.0), in_plane_mm=(1.0, 1.2))
    _, ahead, up = nib.affines.voxel_sizes(phantom.affine)
    assert 1.0 <= ahead <= 1.2 and ahead == pytest.approx(up)
    np.testing.assert_allclose(np.array(phantom.image.shape[1:]) * ahead, (70, 130), atol=ahead)


def test_fitted_radii_keep_the_volume_within_caps_and_length():
    free, slim, short = (
        fit_radii(4000, (1, 1, 2), *limits) for limits in (((50, 50), 100), ((5, 6), 100), ((5, 6), 20))
    )
    assert free[2] == pytest.approx(2 * free[0]) and free[0] == pytest.approx(free[1])
    assert slim[:2] == (5, 6)
    assert short[2] == pytest.approx(20) and short[0] > 5
    for radii in (free, slim, short):
        assert 4 / 3 * np.pi * np.prod(radii) == pytest.approx(4000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tumour": "glioma"}, "choose one of meningioma, ependymoma"),
        ({"extent_mm": (20.0, 200.0)}, "give at least"),
        ({"in_plane_mm": (1.2, 1.0)}, "is no .low, high. within"),
    ],
)
def test_unusable_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        make_spine_phantom(0, **{"tumour": "ependymoma", **arguments})


TINY = {"num_cases": 5, "num_test": 2, "extent_mm": (60.0, 80.0), "in_plane_mm": (1.4, 1.6)}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "spine"
    assert write_spine_phantoms(folder, **TINY, num_workers=2) == str(folder)
    return folder


def test_folder_is_in_decathlon_layout_and_readable(written):
    described = json.loads((written / "dataset.json").read_text())
    assert "PHANTOMS (generated, no patient data)" in described["description"]
    assert list(described["labels"].values()) == ["background", *TUMOURS]
    assert described["numTraining"] == len(described["training"]) == 5
    assert described["numTest"] == len(described["test"]) == 2
    types = described["phantoms"]["tumours"]
    assert list(types) == [*(case["image"] for case in described["training"]), *described["test"]]
    for case in described["training"]:
        image, label = nib.load(written / case["image"]), nib.load(written / case["label"])
        assert image.shape == label.shape and label.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(image.affine, label.affine)
        assert set(np.unique(label.dataobj)) == {0, 1 + list(TUMOURS).index(types[case["image"]])}
    for name in described["test"]:
        assert nib.load(written / name).get_fdata().std() > 0


def test_threads_do_not_change_a_byte_and_cases_do_not_depend_on_their_number(written, tmp_path):
    write_spine_phantoms(tmp_path / "again", **TINY, num_workers=1)
    for path in written.rglob("*.*"):
        assert (tmp_path / "again" / path.relative_to(written)).read_bytes() == path.read_bytes()
    few, many = list_cases(5, 3, 0), list_cases(50, 20, 0)
    assert [case.seed for case in few] == [case.seed for case in many[:5] + many[50:53]]
    assert len({case.seed for case in many}) == len({Path(case.image).name for case in many}) == 70


def test_an_empty_data_set_and_other_parameters_are_refused(written, tmp_path):
    with pytest.raises(InputError, match="at least one case"):
        write_spine_phantoms(tmp_path, num_cases=0)
    with pytest.raises(InputError, match="seed 0 instead of 1"):
        write_spine_phantoms(written, **TINY, seed=1)


def test_vessels_enhance_like_tumours_without_label_and_change_nothing_else():
    found = 0
    for seed in range(4):
        plain, with_vessels = (make_spine_phantom(seed, "meningioma", **SMALL, vessels=most) for most in (0, 6))
        np.testing.assert_array_equal(plain.label, with_vessels.label)
        brighter = with_vessels.image.astype(int) - plain.image > 0.15 * np.percentile(plain.image, 99)
        assert not (brighter & (plain.label > 0)).any()
        assert brighter.mean() < 0.01, "thin"
        found += connected(brighter, np.ones((3, 3, 3)))[1]
    assert found >= 4
