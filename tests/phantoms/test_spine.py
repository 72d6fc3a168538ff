"""Spine phantoms: reproducible, anatomically placed, sized after the paper's Table 1, written once."""

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import label as connected

from custom.errors import InputError
from custom.phantoms.spine import TUMOURS, make_spine_phantom, write_spine_phantoms
from custom.phantoms.spine.anatomy import Canal, draw_spine, ellipse_distance
from custom.phantoms.spine.dataset import draw_types, list_cases
from custom.phantoms.spine.phantom import draw_scene, render
from custom.phantoms.spine.scanner import (
    IN_PLANE_MM,
    IN_PLANE_RANGE_MM,
    NUM_SLICES_RANGE,
    SLICE_MM,
    SLICE_RANGE_MM,
    acquire,
    draw_acquisition,
    oblique_affine,
)
from custom.phantoms.spine.tumours import (
    VOLUME_CM3,
    VOLUME_RANGE_CM3,
    draw_tumour,
    draw_volume_cm3,
    fit_radii,
    level_for_volume,
)

SMALL = {"extent_mm": (60.0, 110.0), "in_plane_mm": (1.1, 1.3)}


def rng(seed=0):
    return np.random.default_rng(seed)


@cache
def rendered(seed, tumour):
    """(scene, signal, mask, signed distance to the cord, to the dura, coordinates) of a small phantom."""
    scene = draw_scene(rng(seed), tumour, **SMALL)
    signal, mask = render(scene, rng(seed))
    first, ahead, along = scene.plane_points()
    across = scene.acquisition.axis_mm(0)[:, None, None] - first
    canal = scene.canal.at(along)
    points = np.broadcast_arrays(across, ahead, along)
    return scene, signal, mask, canal.cord_distance(across, ahead), canal.sac_distance(across, ahead), points


def middle(mask):
    return tuple(np.rint(np.argwhere(mask).mean(axis=0)).astype(int))


def test_one_seed_gives_one_phantom_and_another_seed_another():
    first, again, other = (make_spine_phantom(seed, **SMALL) for seed in (3, 3, 4))
    assert first.tumour == again.tumour and first.volume_cm3 == again.volume_cm3
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.label, again.label)
    np.testing.assert_array_equal(first.affine, again.affine)
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_label_is_one_connected_lump_of_its_class_away_from_the_border(number):
    for seed in range(4):
        phantom = make_spine_phantom(seed, TUMOURS[number - 1], **SMALL)
        assert phantom.label.dtype == np.uint8 and phantom.image.dtype == np.int16
        assert phantom.label.shape == phantom.image.shape
        assert set(np.unique(phantom.label)) == {0, number}
        assert connected(phantom.label, np.ones((3, 3, 3)))[1] == 1
        assert phantom.label[1:-1, 1:-1, 1:-1].sum() == phantom.label.sum()


@pytest.mark.parametrize("tumour", TUMOURS)
def test_labelled_volume_is_the_drawn_one_to_a_voxel(tumour):
    for seed in range(6):
        scene, _, mask, *_ = rendered(seed, tumour)
        labelled = mask.sum() * scene.acquisition.voxel_mm3
        assert labelled == pytest.approx(scene.tumour.volume_mm3, abs=0.51 * scene.acquisition.voxel_mm3)


def test_stated_volume_is_the_labels():
    phantom = make_spine_phantom(1, **SMALL)
    voxel = abs(np.linalg.det(phantom.affine[:3, :3]))
    assert phantom.volume_cm3 == pytest.approx((phantom.label > 0).sum() * voxel / 1000, rel=1e-6)


@pytest.mark.parametrize("tumour", TUMOURS)
def test_drawn_volumes_follow_table_1(tumour):
    generator = rng(5)
    volumes = np.array([draw_volume_cm3(generator, tumour) for _ in range(10000)])
    mean, deviation = VOLUME_CM3[tumour]
    # clipping to 0.3-20 cm3 cuts the long tail, most of all the hemangioblastoma's (2.5 +- 3.7)
    assert volumes.mean() == pytest.approx(mean, rel=0.1)
    assert volumes.std() == pytest.approx(deviation, rel=0.25)
    assert volumes.min() >= VOLUME_RANGE_CM3[0] and volumes.max() <= VOLUME_RANGE_CM3[1]


@pytest.mark.parametrize("tumour", ["ependymoma", "astrocytoma"])
def test_intramedullary_tumours_lie_within_a_swollen_cord(tumour):
    for seed in range(6):
        scene, _, mask, cord, _, _ = rendered(seed, tumour)
        assert cord[middle(mask)] < 0
        assert (cord[mask] < 0).mean() > 0.9
        here = np.argmin(np.abs(scene.canal.along - scene.tumour.along_mm))
        assert scene.canal.cord_ahead[here] > scene.tumour.radii[1]


def test_ependymoma_is_central_and_astrocytoma_is_not():
    def eccentricity(tumour, seed):
        made = draw_tumour(rng(seed), tumour, 3.0, draw_spine(rng(seed), (120, 200)), (120, 200))
        return abs(made.offset_mm)

    central = [eccentricity("ependymoma", seed) for seed in range(50)]
    eccentric = [eccentricity("astrocytoma", seed) for seed in range(50)]
    assert np.mean(central) < 0.5 and np.mean(eccentric) > 1.0


def test_meningioma_lies_beside_the_cord_on_the_dura_and_pushes_the_cord_away():
    for seed in range(6):
        scene, _, mask, cord, sac, (across, ahead, _) = rendered(seed, "meningioma")
        assert cord[middle(mask)] > 0
        assert (cord[mask] > -0.5).all()
        assert (sac[mask] < 0.8).all() and sac[mask].max() > -1.5  # within the dura, and reaching it
        u, v = scene.tumour.direction
        here = np.argmin(np.abs(scene.canal.along - scene.tumour.along_mm))
        assert scene.canal.shift[here] <= 0
        assert (across[mask] * u + ahead[mask] * v).mean() > scene.canal.shift[here]


def test_hemangioblastoma_sits_on_the_back_of_the_cord():
    for seed in range(6):
        _, _, mask, cord, _, (_, ahead, _) = rendered(seed, "hemangioblastoma")
        inside = (cord[mask] < 0).mean()
        assert 0 < inside < 0.6  # grown into the cord's surface, not within it
        columns = mask.any(axis=(0, 1))
        assert ahead[mask].mean() < ahead[:, :, columns][cord[:, :, columns] < 0].mean()


def test_syrinx_and_polar_cysts_are_bright_and_not_labelled():
    found = 0
    for seed in range(6):
        scene, signal, mask, _, _, points = rendered(seed, "hemangioblastoma")
        for cyst in scene.tumour.cysts:
            scaled = [(p - c) / r for p, c, r in zip(points, cyst.centre, cyst.radii, strict=True)]
            core = (sum(s**2 for s in scaled) < 0.3) & (np.abs(points[0]) < 2) & ~mask
            if core.sum() > 5:
                found += 1
                assert np.median(signal[core]) > 1.3 * scene.contents.cord
    assert found >= 3


def test_fluid_is_brighter_than_cord_and_cord_brighter_than_bone_rim():
    _, signal, mask, cord, sac, (across, *_) = rendered(2, "meningioma")
    mid = np.abs(across) < 2
    fluid = signal[mid & (sac < -0.8) & (cord > 0.8) & ~mask]
    tissue = signal[mid & (cord < -1.5) & ~mask]
    dura = signal[mid & (sac > 0.2) & (sac < 0.9)]
    assert np.median(fluid) > 1.5 * np.median(tissue) > 1.5 * np.median(dura)


def test_intensity_alone_does_not_tell_the_types():
    values, types = [], []
    for name in TUMOURS:
        for seed in range(6):
            scene, signal, mask, *_ = rendered(seed, name)
            image = acquire(rng(seed), signal, scene.acquisition).astype(float)
            values.append((image[mask].mean() - image.mean()) / image.std())
            types.append(name)
    distance = np.abs(np.subtract.outer(values, values)) + np.diag([np.inf] * len(values))
    nearest = np.argsort(distance, axis=1)[:, :5]
    guesses = [Counter(types[i] for i in row).most_common(1)[0][0] for row in nearest]
    right = np.mean([guess == true for guess, true in zip(guesses, types, strict=True)])
    assert right < 0.7  # of 24 cases, each guessed from its five neighbours in mean tumour intensity


@pytest.mark.parametrize("tumour", TUMOURS)
def test_acquisitions_follow_table_1(tumour):
    drawn = [draw_acquisition(rng(seed), tumour, (120, 200)) for seed in range(400)]
    slices, thickness, in_plane = np.array([(a.shape[0], *a.spacing_mm[:2]) for a in drawn]).T
    assert in_plane.mean() == pytest.approx(IN_PLANE_MM[tumour], rel=0.05)
    assert thickness.mean() == pytest.approx(SLICE_MM[tumour], rel=0.05)
    assert slices.mean() == pytest.approx(11.5, abs=1.5)
    for values, (low, high) in (
        (in_plane, IN_PLANE_RANGE_MM),
        (thickness, SLICE_RANGE_MM),
        (slices, NUM_SLICES_RANGE),
    ):
        assert values.min() >= low and values.max() <= high
    for acquisition in drawn[:20]:
        np.testing.assert_allclose(nib.affines.voxel_sizes(acquisition.affine), acquisition.spacing_mm)
        assert nib.aff2axcodes(acquisition.affine) == ("R", "A", "S")


def test_field_of_view_is_the_extent_asked_for():
    phantom = make_spine_phantom(0, extent_mm=(70.0, 130.0), in_plane_mm=(1.0, 1.2))
    _, ahead, up = nib.affines.voxel_sizes(phantom.affine)
    assert 1.0 <= ahead <= 1.2 and ahead == pytest.approx(up)
    np.testing.assert_allclose(np.array(phantom.image.shape[1:]) * ahead, (70, 130), atol=ahead)


def test_oblique_affine_keeps_spacing_and_puts_the_middle_where_asked():
    affine = oblique_affine((11, 20, 31), (4.0, 0.5, 0.5), np.deg2rad([5, -3, 8]), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(nib.affines.voxel_sizes(affine), (4.0, 0.5, 0.5))
    np.testing.assert_allclose(nib.affines.apply_affine(affine, [5, 9.5, 15]), (1, 2, 3))
    assert np.linalg.det(affine[:3, :3]) == pytest.approx(1.0)


def test_straightened_points_lie_at_their_distance_from_the_axis():
    spine = draw_spine(rng(1), (120, 200))
    y, z = np.meshgrid(np.linspace(-40, 40, 30), np.linspace(-90, 90, 40), indexing="ij")
    _, ahead, _ = spine.straighten(y, z)
    along = np.linspace(-140, 140, 5601)
    _, axis_y, _ = spine.axis(along)
    brute = np.sqrt((y[..., None] - axis_y) ** 2 + (z[..., None] - along) ** 2).min(axis=-1)
    np.testing.assert_allclose(np.abs(ahead), brute, atol=0.1)


def test_distance_to_a_circle_is_exact():
    x, y = np.meshgrid(np.linspace(-9, 9, 20), np.linspace(-9, 9, 20))
    np.testing.assert_allclose(ellipse_distance(x, y, 4.0, 4.0), np.hypot(x, y) - 4, atol=1e-4)


def test_canal_interpolates_between_its_samples():
    along = np.array([0.0, 0.5, 1.0])
    ramp = np.array([1.0, 2.0, 4.0])
    canal = Canal(along, ramp, ramp, ramp, ramp, ramp, ramp, ramp).at(np.array([0.25, 0.75, 5.0, -1.0]))
    np.testing.assert_allclose(canal.sac_across, [1.5, 3.0, 4.0, 1.0])


def test_fitted_radii_keep_the_volume_within_caps_and_length():
    free = fit_radii(4000, (1, 1, 2), (50, 50), 100)
    assert free[2] == pytest.approx(2 * free[0]) and free[0] == pytest.approx(free[1])
    slim = fit_radii(4000, (1, 1, 2), (5, 6), 100)
    assert slim[:2] == (5, 6)
    short = fit_radii(4000, (1, 1, 2), (5, 6), 20)
    assert short[2] == pytest.approx(20) and short[0] > 5
    for radii in (free, slim, short):
        assert 4 / 3 * np.pi * np.prod(radii) == pytest.approx(4000)


def test_level_for_volume_holds_the_voxels_nearest_to_the_volume():
    levels = rng().permutation(1000).astype(np.float32)
    assert (levels <= level_for_volume(levels, 2.0, 501.0)).sum() in (250, 251)
    assert (levels <= level_for_volume(levels, 2.0, 0.1)).sum() == 1  # never empty


def test_noise_alone_has_the_rician_mean():
    acquisition = replace(draw_acquisition(rng(), "ependymoma", (60, 80)), noise=0.05, gain=10000.0)
    image = acquire(rng(), np.zeros(acquisition.shape, np.float32), acquisition)
    assert image.mean() == pytest.approx(500 * np.sqrt(np.pi / 2), rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tumour": "glioma"}, "choose one of meningioma, ependymoma"),
        ({"extent_mm": (20.0, 200.0)}, "give at least"),
        ({"in_plane_mm": (1.2, 1.0)}, "give .low, high."),
    ],
)
def test_unusable_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        make_spine_phantom(0, **arguments)


def test_types_have_the_papers_proportions_by_largest_remainder():
    patients = Counter(draw_types(653, 0))
    assert [patients[name] for name in TUMOURS] == [247, 203, 101, 102]
    # 60 * 247/653 = 22.70, 18.65, 9.28, 9.37
    sixty = Counter(draw_types(60, 0))
    assert [sixty[name] for name in TUMOURS] == [23, 19, 9, 9]
    assert draw_types(60, 0) == draw_types(60, 0) != draw_types(60, 1)


def test_case_seeds_do_not_depend_on_the_number_of_cases_and_are_all_different():
    few, few_test = list_cases(5, 3, 0)
    many, many_test = list_cases(50, 20, 0)
    assert [case.seed for case in few] == [case.seed for case in many[:5]]
    assert [case.seed for case in few_test] == [case.seed for case in many_test[:3]]
    assert len({case.seed for case in many + many_test}) == 70
    assert len({Path(case.image).name for case in many + many_test}) == 70


TINY = {"num_cases": 5, "num_test": 2, "extent_mm": (60.0, 80.0), "in_plane_mm": (1.4, 1.6)}


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "spine"
    assert write_spine_phantoms(folder, **TINY, num_workers=2) == str(folder)
    return folder


def test_folder_is_in_decathlon_layout_and_readable(written):
    described = json.loads((written / "dataset.json").read_text())
    assert "PHANTOMS (generated, no patient data)" in described["description"]
    assert described["modality"] == {"0": "MRI"}
    assert list(described["labels"].values()) == ["background", *TUMOURS]
    assert described["numTraining"] == len(described["training"]) == 5
    assert described["numTest"] == len(described["test"]) == 2
    notes = described["phantoms"]["cases"]
    assert [note["image"] for note in notes] == [
        *(case["image"] for case in described["training"]),
        *described["test"],
    ]
    for case, note in zip(described["training"], notes, strict=False):
        image, label = nib.load(written / case["image"]), nib.load(written / case["label"])
        assert image.shape == label.shape and label.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(image.affine, label.affine)
        values = np.asarray(label.dataobj)
        assert set(np.unique(values)) == {0, 1 + TUMOURS.index(note["tumour"])}
        volume = (values > 0).sum() * np.prod(label.header.get_zooms()) / 1000
        assert note["volume_cm3"] == pytest.approx(volume, abs=1e-3)
    for name in described["test"]:
        assert nib.load(written / name).get_fdata().std() > 0


def test_second_call_changes_nothing(written):
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    write_spine_phantoms(written, **TINY)
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*")} == before


def test_threads_do_not_change_a_byte(written, tmp_path):
    write_spine_phantoms(tmp_path / "again", **TINY, num_workers=1)
    assert contents(tmp_path / "again") == contents(written)


@pytest.mark.parametrize("with_description", [True, False])
def test_interrupted_generation_goes_on_with_what_is_missing(written, tmp_path, with_description):
    folder = tmp_path / "resumed"
    for name, data in contents(written).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "labelsTr" / "spine_002.nii.gz").unlink()
    (folder / "imagesTs" / "spine_006.nii.gz").unlink()
    if not with_description:
        (folder / "dataset.json").unlink()
    kept = (folder / "imagesTr" / "spine_001.nii.gz").stat().st_mtime_ns
    write_spine_phantoms(folder, **TINY)
    assert contents(folder) == contents(written)
    assert (folder / "imagesTr" / "spine_001.nii.gz").stat().st_mtime_ns == kept


def test_other_parameters_are_refused(written):
    with pytest.raises(InputError, match=r"spine: .*num_cases 5 instead of 6.*another folder or delete it"):
        write_spine_phantoms(written, **{**TINY, "num_cases": 6})
    with pytest.raises(InputError, match="seed 0 instead of 1"):
        write_spine_phantoms(written, **TINY, seed=1)


def test_other_peoples_data_are_refused(tmp_path):
    (tmp_path / "imagesTr").mkdir()
    with pytest.raises(InputError, match="no phantoms of this generator"):
        write_spine_phantoms(tmp_path, **TINY)


def test_unwritable_folder_and_empty_data_set_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose a writable folder"):
        write_spine_phantoms(tmp_path / "file" / "below", **TINY)
    with pytest.raises(InputError, match="at least one case"):
        write_spine_phantoms(tmp_path, num_cases=0)
