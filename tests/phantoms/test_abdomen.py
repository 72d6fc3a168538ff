"""Abdominal phantoms: plausible anatomy and Hounsfield units, honest partial labels, reproducible, written once."""

import json
from collections import Counter
from dataclasses import replace
from functools import cache

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scipy.ndimage import label as connected
from scipy.spatial import KDTree

from custom.errors import InputError
from custom.phantoms.abdomen import CLASSES, ORGANS, make_abdomen_phantom, write_abdomen_phantoms
from custom.phantoms.abdomen.annotation import (
    ORGAN_STUDY,
    PAPER_CASES,
    PARTIAL_STUDIES,
    SCREENING,
    TUMOUR_STUDY,
    annotate,
    draw_studies,
    group_sizes,
)
from custom.phantoms.abdomen.dataset import list_cases
from custom.phantoms.abdomen.phantom import EXTENT_MM, draw_scene, render
from custom.phantoms.abdomen.pose import draw_pose
from custom.phantoms.abdomen.ripples import draw_ripples
from custom.phantoms.abdomen.scanner import STORED, acquire, draw_acquisition
from custom.phantoms.abdomen.shapes import Ellipsoid, Fins, Tube, round_common, smooth_tube, turned_axes
from custom.phantoms.abdomen.tissue import PHASES
from custom.phantoms.abdomen.tumours import CONTRAST_HU, HOSTS, TumourChoice, level_for_volume

COARSE = ((6.0, 8.0), (5.0, 5.0))
SEEDS = range(16)
ORGAN_ID = {name: number for number, name in enumerate(CLASSES, start=1)}
TUMOUR = ORGAN_ID["tumour"]

VOLUME_ML = {  # that a single patient, and the mean of patients, must not leave
    "liver": ((800, 2400), (1200, 1800)),
    "right_kidney": ((70, 300), (130, 190)),
    "left_kidney": ((70, 300), (130, 190)),
    "spleen": ((70, 400), (140, 260)),
    "pancreas": ((25, 130), (50, 90)),
    "aorta": ((35, 160), (60, 110)),
    "inferior_vena_cava": ((30, 150), (55, 110)),
    "right_adrenal": ((1.5, 11), (3.5, 6.5)),
    "left_adrenal": ((1.5, 11), (3.5, 6.5)),
    "gallbladder": ((8, 65), (20, 40)),
    "oesophagus": ((4, 30), (9, 18)),
    "stomach": ((130, 700), (230, 400)),
    "duodenum": ((35, 140), (55, 95)),
}
# HU of the inner voxels: arterial, portal venous
INNER_HU = {
    "liver": ((50, 95), (85, 135)),
    "right_kidney": ((90, 200), (130, 210)),
    "left_kidney": ((90, 200), (130, 210)),
    "spleen": ((105, 170), (95, 145)),
    "aorta": ((210, 360), (120, 185)),
    "inferior_vena_cava": ((65, 150), (90, 170)),
    "gallbladder": ((-15, 35), (-15, 35)),
}


def rng(seed=0):
    return np.random.default_rng(seed)


@cache
def phantom(seed):
    return make_abdomen_phantom(seed, COARSE)


def voxel_ml(made):
    return abs(np.linalg.det(made.affine[:3, :3])) / 1000


def volumes_ml(made):
    counts = np.bincount(made.organs.ravel(), minlength=len(CLASSES) + 1)[1:]
    return dict(zip(CLASSES, counts * voxel_ml(made), strict=True))


def middle(made, name):
    """Centre of an organ in world coordinates: x right, y anterior, z superior."""
    return nib.affines.apply_affine(made.affine, np.argwhere(made.organs == ORGAN_ID[name]).mean(axis=0))


def test_classes_are_flares_in_its_order():
    assert len(ORGANS) == 13 and (*ORGANS, "tumour") == CLASSES
    assert [ORGAN_ID[name] for name in ("liver", "right_kidney", "spleen", "pancreas", "aorta")] == [1, 2, 3, 4, 5]
    assert [ORGAN_ID[name] for name in ("right_adrenal", "left_adrenal", "oesophagus", "left_kidney")] == [7, 8, 10, 13]


def test_one_seed_gives_one_phantom_and_another_seed_another():
    first, again, other = make_abdomen_phantom(3, COARSE), phantom(3), phantom(4)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.label, again.label)
    np.testing.assert_array_equal(first.affine, again.affine)
    assert first.tumours == again.tumours and first.phase == again.phase
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


def test_arrays_are_what_files_need():
    for seed in SEEDS:
        made = phantom(seed)
        assert made.image.dtype == np.int16 and made.label.dtype == np.uint8 and made.organs.dtype == np.uint8
        assert made.image.shape == made.label.shape == made.organs.shape
        assert set(np.unique(made.label)) <= set(range(TUMOUR + 1))
        assert made.image.min() >= -1024 and made.image.max() <= 3071


@pytest.mark.parametrize("name", ORGANS)
def test_organs_have_the_volumes_of_adults(name):
    volumes = np.array([volumes_ml(phantom(seed))[name] for seed in SEEDS])
    (least, most), (low, high) = VOLUME_ML[name]
    assert volumes.min() >= least and volumes.max() <= most
    assert low <= volumes.mean() <= high
    assert volumes.std() > 0.05 * volumes.mean()


@pytest.mark.parametrize("name", INNER_HU)
def test_organs_have_the_hounsfield_units_of_their_phase(name):
    seen = Counter()
    for seed in SEEDS:
        made = phantom(seed)
        inside = binary_erosion(made.label == ORGAN_ID[name], np.ones((2, 2, 2)))
        low, high = INNER_HU[name][PHASES.index(made.phase)]
        assert low <= made.image[inside].mean() <= high, (seed, made.phase)
        seen[made.phase] += 1
    assert min(seen[phase] for phase in PHASES) >= 3


def test_soft_organs_differ_from_fat_and_are_no_bone():
    for seed in SEEDS:
        made = phantom(seed)
        for name in ("pancreas", "right_adrenal", "left_adrenal", "oesophagus", "duodenum"):
            assert -30 < made.image[made.label == ORGAN_ID[name]].mean() < 130, (seed, name)


def test_a_scan_shows_air_lung_fat_soft_tissue_and_bone():
    for seed in SEEDS:
        made = phantom(seed)
        background = made.image[made.label == 0]
        assert (background < -700).mean() > 0.1  # air around the patient, lung
        assert ((background > -140) & (background < -60)).mean() > 0.1  # fat
        assert ((background > 20) & (background < 120)).mean() > 0.05  # muscle
        assert (background > 250).mean() > 0.004  # bone


def test_stomach_holds_gas_above_its_content():
    found = 0
    for seed in SEEDS:
        made = phantom(seed)
        voxels = np.argwhere(made.label == ORGAN_ID["stomach"])
        front = nib.affines.apply_affine(made.affine, voxels)[:, 1]
        gas = made.image[tuple(voxels.T)] < -600
        if gas.sum() > 10:
            found += 1
            assert front[gas].mean() > front[~gas].mean() + 10
    assert found >= 8


def test_right_and_left_follow_from_the_affine():
    for seed in SEEDS:
        made = phantom(seed)
        at = {name: middle(made, name) for name in ORGANS}
        for right, left in (
            ("liver", "spleen"),
            ("right_kidney", "left_kidney"),
            ("right_adrenal", "left_adrenal"),
            ("inferior_vena_cava", "aorta"),
            ("gallbladder", "stomach"),
        ):
            assert at[right][0] > at[left][0] + 10, (seed, right)
        for above, below in (
            ("liver", "right_kidney"),
            ("spleen", "left_kidney"),
            ("stomach", "duodenum"),
            ("oesophagus", "pancreas"),
            ("right_adrenal", "right_kidney"),
            ("left_adrenal", "left_kidney"),
        ):
            assert at[above][2] > at[below][2] + 8, (seed, above)
        for front, back in (("stomach", "spleen"), ("pancreas", "left_kidney"), ("gallbladder", "right_kidney")):
            assert at[front][1] > at[back][1] + 20, (seed, front)


def test_gallbladder_touches_the_liver_and_the_pancreas_the_duodenum():
    for seed in SEEDS:
        made = phantom(seed)
        reach = np.ones((5, 5, 5))
        for name, neighbour in (("gallbladder", "liver"), ("duodenum", "pancreas"), ("oesophagus", "stomach")):
            mask = made.organs == ORGAN_ID[name]
            grown = binary_erosion(~mask, reach, border_value=1)
            assert ((made.organs == ORGAN_ID[neighbour]) & ~grown).any(), (seed, name)


def test_organs_are_in_one_piece():
    for seed in SEEDS:
        made = phantom(seed)
        for name in ORGANS:
            pieces, _ = connected(made.organs == ORGAN_ID[name], np.ones((3, 3, 3)))
            sizes = np.bincount(pieces.ravel())[1:]
            assert sizes.max() > 0.85 * sizes.sum(), (seed, name)


def test_tumours_lie_in_the_stated_host_with_the_stated_volume():
    hosts = Counter()
    for seed in range(30):
        made = phantom(seed)
        mask = made.label == TUMOUR
        np.testing.assert_array_equal(made.label[~mask], made.organs[~mask])
        stated = Counter()
        for tumour in made.tumours:
            hosts[tumour.host] += 1
            stated[ORGAN_ID[tumour.host]] += tumour.volume_ml
            assert 0.6 * TumourChoice.smallest_ml < tumour.volume_ml < 1.02 * TumourChoice.largest_ml
        found = Counter(made.organs[mask].tolist())
        assert set(found) == set(stated) <= {ORGAN_ID[name] for name in HOSTS}
        for host, volume in stated.items():
            assert found[host] * voxel_ml(made) == pytest.approx(volume, rel=1e-6)
    assert len(hosts) >= 4 and hosts.most_common(1)[0][0] == "liver"


def test_about_two_thirds_of_the_patients_have_one_to_three_tumours():
    counts = np.array([len(phantom(seed).tumours) for seed in range(30)])
    assert 0.45 <= (counts > 0).mean() <= 0.85
    assert set(np.unique(counts)) == {0, 1, 2, 3}


def test_a_tumour_differs_from_its_host_by_its_contrast():
    checked = 0
    for seed in range(30):
        made = phantom(seed)
        for tumour in made.tumours:
            low, high = CONTRAST_HU["hypodense" if tumour.contrast_hu < 0 else "hyperdense"]
            assert low <= tumour.contrast_hu <= high
            alone = Counter(other.host for other in made.tumours)[tumour.host] == 1
            if tumour.host in ("liver", "spleen") and alone and tumour.volume_ml > 6:
                host = ORGAN_ID[tumour.host]
                inner = binary_erosion((made.label == TUMOUR) & (made.organs == host))
                around = binary_erosion(made.label == host)
                difference = made.image[inner].mean() - np.median(made.image[around])
                assert difference == pytest.approx(tumour.contrast_hu, abs=15)
                checked += 1
    assert checked >= 3


def test_spacing_extent_and_orientation_vary_as_asked():
    codes = Counter()
    for seed in range(30):
        made = phantom(seed)
        spacing = nib.affines.voxel_sizes(made.affine)
        assert 6 <= spacing[2] <= 8 and spacing[0] == spacing[1] == 5
        for size, step, (low, high) in zip(made.image.shape, spacing, EXTENT_MM, strict=True):
            assert low - step <= size * step <= high + step
        codes["".join(nib.aff2axcodes(made.affine))] += 1
    assert set(codes) == set(STORED)


def test_stored_volume_is_the_same_in_the_world_for_every_orientation():
    acquisition = draw_acquisition(rng(), (330, 240), COARSE, EXTENT_MM)
    volume = rng().normal(size=acquisition.shape)
    points = np.argwhere(volume > 2.5)
    x, y, z = acquisition.axes()
    world = np.column_stack([x[points[:, 2]], y[points[:, 1]], z[points[:, 0]]]) + acquisition.centre_mm
    for stored in STORED:
        array, affine = replace(acquisition, stored=stored).store(volume)
        assert "".join(nib.aff2axcodes(affine)) == stored
        back = np.rint(nib.affines.apply_affine(np.linalg.inv(affine), world)).astype(int)
        np.testing.assert_array_equal(array[tuple(back.T)], volume[tuple(points.T)])


def test_noise_has_the_drawn_deviation_and_a_grain():
    acquisition = draw_acquisition(rng(2), (330, 240), ((5.0, 5.0), (0.9, 0.9)), EXTENT_MM)
    acquisition = replace(acquisition, shape=(8, 200, 200))
    noise = acquire(rng(), np.zeros(acquisition.shape, np.float32), acquisition)[:, 60:140, 60:140].astype(float)
    assert 8 <= acquisition.noise_hu <= 25
    assert noise.std() == pytest.approx(acquisition.noise_hu, rel=0.15)
    neighbours = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
    slices = np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]
    assert neighbours > 0.1 and abs(slices) < 0.03


def test_slabs_do_not_change_a_voxel(monkeypatch):
    scene = draw_scene(rng(5), COARSE, EXTENT_MM)
    hu, organs = render(scene)
    monkeypatch.setattr("custom.phantoms.abdomen.phantom.SLAB_VOXELS", 20000)
    slabbed_hu, slabbed_organs = render(scene)
    np.testing.assert_array_equal(slabbed_organs, organs)
    np.testing.assert_allclose(slabbed_hu, hu, atol=1e-3)


def test_boxes_hold_every_point_that_the_pose_puts_into_them():
    for seed in range(5):
        pose = draw_pose(rng(seed))
        axes = tuple(np.arange(-140.0, 141.0, 14.0) for _ in range(3))
        points = np.stack([p.ravel() for p in pose.to_anatomy(axes)], axis=1)
        grid = np.stack([g.ravel() for g in np.meshgrid(*axes[::-1], indexing="ij")][::-1], axis=1)
        low, high = np.array([-40.0, -20.0, 0.0]), np.array([30.0, 60.0, 50.0])
        inside = ((points > low) & (points < high)).all(axis=1)
        scanner_low, scanner_high = pose.to_scanner((low, high))
        assert inside.sum() > 20
        assert (grid[inside] >= scanner_low).all() and (grid[inside] <= scanner_high).all()


def test_ripples_have_unit_variance_and_do_not_depend_on_the_grid():
    axes = tuple(np.arange(-300.0, 300.0, 10.0) for _ in range(3))
    field = np.stack([draw_ripples(rng(seed), (30, 70))(axes) for seed in range(10)])
    assert field.mean() == pytest.approx(0, abs=0.05) and field.std() == pytest.approx(1, abs=0.1)
    ripples = draw_ripples(rng(), (30, 70))
    np.testing.assert_array_equal(ripples(axes)[10:20, 5], ripples((axes[0], axes[1][5:6], axes[2][10:20]))[:, 0])


def brute_distance(inside, grid):
    """Signed distance of the grid's points to the nearest point of the other side."""
    out, into = (KDTree(grid[side]).query(grid)[0] for side in (~inside, inside))
    return np.where(inside, -out, into)


@pytest.mark.parametrize(
    "shape",
    [
        Ellipsoid(np.array([1.0, -2.0, 0.5]), np.array([9.0, 6.0, 7.0]), turned_axes((1, 1, 0), (0, 1, 1))),
        Tube(np.array([[-6.0, -4.0, -5.0], [0.0, 0.0, 3.0], [7.0, 2.0, 4.0]]), np.array([3.0, 4.0, 3.5])),
        Fins(np.array([[(-5, 0), (4, 6)], [(-5, 0), (4, -6)]], float), 5.0, -7.0, 14.0, (0.1, 0.0)),
    ],
    ids=["ellipsoid", "tube", "fins"],
)
def test_distances_agree_with_brute_force_near_the_surface_and_bounds_hold(shape):
    axis = np.arange(-13.0, 13.5, 1.6)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = shape.distance(*grid.astype(np.float32).T)
    low, high = shape.bounds()
    inside = distance < 0
    assert inside.sum() > 50
    assert (grid[inside] >= low - 1e-3).all() and (grid[inside] <= high + 1e-3).all()
    brute = brute_distance(inside, grid)
    near = np.abs(brute) < 6
    # the nearest grid point of the other side is up to a cell beyond the surface
    assert np.abs(np.abs(distance) - np.abs(brute))[near].max() < 2.8


def test_ellipsoid_distance_is_exact_for_a_ball_and_a_tube_for_its_axis():
    x = np.linspace(1, 30, 40, dtype=np.float32)
    ball = Ellipsoid(np.zeros(3), np.full(3, 10.0), np.eye(3))
    np.testing.assert_allclose(ball.distance(x, 0 * x, 0 * x), x - 10, atol=1e-3)
    tube = Tube(np.array([[0.0, 0, -50], [0, 0, 50]]), np.array([4.0, 4.0]))
    np.testing.assert_allclose(tube.distance(x, 0 * x, 0 * x + 7), x - 4, atol=1e-4)


def test_pieces_of_a_tube_are_the_tube():
    tube = smooth_tube(np.array([(0, 0, 0, 5), (20, 4, 8, 6), (30, 20, -5, 4), (10, 30, 0, 4)], float))
    points = rng().uniform(-10, 40, (3, 300)).astype(np.float32)
    pieces = tube.pieces(2)
    assert len(pieces) > 2
    np.testing.assert_array_equal(np.min([p.distance(*points) for p in pieces], axis=0), tube.distance(*points))
    np.testing.assert_allclose(tube.points[[0, -1]], [[0, 0, 0], [10, 30, 0]])


def test_rounded_edge_has_its_radius():
    x, y = np.meshgrid(np.linspace(-10, 2, 121), np.linspace(-10, 2, 121))
    corner = round_common([x, y], 3.0)
    np.testing.assert_allclose(
        corner[(x > -3) & (y > -3)], (np.hypot(x + 3, y + 3) - 3)[(x > -3) & (y > -3)], atol=1e-9
    )
    np.testing.assert_allclose(corner[y < -6][x[y < -6] > -3], x[y < -6][x[y < -6] > -3], atol=1e-9)


def test_level_for_volume_holds_the_voxels_nearest_to_the_volume():
    levels = rng().permutation(1000).astype(np.float32)
    assert (levels <= level_for_volume(levels, 2.0, 501.0)).sum() in (250, 251)
    assert (levels <= level_for_volume(levels, 2.0, 0.1)).sum() == 1  # never empty
    levels[100:] = np.inf
    assert (levels <= level_for_volume(levels, 2.0, 1000.0)).sum() == 100  # never outside the host


def test_clinical_spacing_gives_the_same_patient_in_more_voxels():
    fine, coarse = make_abdomen_phantom(7, ((7.0, 7.0), (2.5, 2.5))), make_abdomen_phantom(7, ((7.0, 7.0), (5.0, 5.0)))
    assert fine.image.size == pytest.approx(4 * coarse.image.size, rel=0.05)
    for name in ("liver", "spleen", "left_kidney", "stomach", "aorta", "pancreas"):
        assert volumes_ml(fine)[name] == pytest.approx(volumes_ml(coarse)[name], rel=0.15), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spacing_mm": ((5.0, 2.0), (0.7, 0.9))}, r"spacing_mm: slice distance \(5.0, 2.0\) is no \(low, high\)"),
        ({"spacing_mm": ((2.0, 5.0), (0.1, 0.9))}, "spacing_mm: pixel size .* within 0.4 to 6.0 mm"),
        ({"extent_mm": ((300, 380), (220, 280), (20, 260))}, "extent_mm: head-foot .* within 140.0 to 600 mm"),
    ],
)
def test_unusable_ranges_are_named(arguments, message, tmp_path):
    with pytest.raises(InputError, match=message):
        make_abdomen_phantom(0, **arguments)
    with pytest.raises(InputError, match=message):
        write_abdomen_phantoms(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_groups_have_the_papers_proportions_by_largest_remainder():
    assert group_sizes(4000) == PAPER_CASES
    # 40 * 222/4000 = 2.22, 5.97, 13.81, 18.00
    assert group_sizes(40) == {"dataset1": 2, "dataset2": 6, "dataset3": 14, "dataset4": 18}
    for count in range(4, 60):
        sizes = group_sizes(count)
        assert sum(sizes.values()) == count and min(sizes.values()) >= 1
    assert sum(group_sizes(1).values()) == 1


def test_studies_are_counted_as_the_groups_in_an_order_drawn_by_seed():
    studies = draw_studies(60, 0)
    sizes = group_sizes(60)
    assert studies.count(ORGAN_STUDY) == sizes["dataset1"]
    assert studies.count(TUMOUR_STUDY) == sizes["dataset2"]
    assert studies.count(SCREENING) == sizes["dataset4"]
    partial = Counter(study for study in studies if study in PARTIAL_STUDIES)
    assert sum(partial.values()) == sizes["dataset3"]
    assert len(partial) == len(PARTIAL_STUDIES) and max(partial.values()) - min(partial.values()) <= 1
    assert draw_studies(60, 0) == studies != draw_studies(60, 1)


def test_the_groups_follow_from_the_annotated_sets():
    assert set(ORGAN_STUDY.annotated) == set(ORGANS)
    second = {"liver", "right_kidney", "spleen", "pancreas", "left_kidney", "tumour"}
    assert set(TUMOUR_STUDY.annotated) == second and not SCREENING.annotated
    for study in PARTIAL_STUDIES:
        assert study.annotated and set(study.annotated) < set(CLASSES)
        assert not set(ORGANS) <= set(study.annotated) and not second <= set(study.annotated)
    assert len({study.source for study in PARTIAL_STUDIES}) == len(PARTIAL_STUDIES)


def test_annotation_shows_the_host_through_tumours_that_nobody_annotated():
    liver, spleen = ORGAN_ID["liver"], ORGAN_ID["spleen"]
    organs = np.array([0, liver, liver, spleen, spleen], np.uint8)
    label = np.array([0, liver, TUMOUR, spleen, TUMOUR], np.uint8)
    np.testing.assert_array_equal(annotate(label, organs, ["liver"]), [0, liver, liver, 0, 0])
    np.testing.assert_array_equal(annotate(label, organs, ["tumour"]), [0, 0, TUMOUR, 0, TUMOUR])
    np.testing.assert_array_equal(annotate(label, organs, ["liver", "tumour"]), [0, liver, TUMOUR, 0, TUMOUR])
    np.testing.assert_array_equal(annotate(label, organs, CLASSES), label)
    np.testing.assert_array_equal(annotate(label, organs, []), 0 * label)
    assert annotate(label, organs, CLASSES).dtype == np.uint8


def test_case_seeds_do_not_depend_on_the_number_of_cases_and_are_all_different():
    few, many = list_cases(5, 3, 0), list_cases(50, 20, 0)
    assert [case.seed for case in few[:5]] == [case.seed for case in many[:5]]
    assert [case.seed for case in few[5:]] == [case.seed for case in many[50:53]]
    assert len({case.seed for case in many}) == len({case.name for case in many}) == 70


TINY = {"num_cases": 8, "num_validation": 2, "spacing_mm": ((8.0, 8.0), (6.0, 6.0))}


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "abdomen"
    assert write_abdomen_phantoms(folder, **TINY, num_workers=2) == str(folder / "cohort.json")
    return folder


def test_manifest_names_cases_and_what_is_annotated_in_them(written):
    described = json.loads((written / "cohort.json").read_text())
    assert list(described) == ["name", "description", "classes", "lesions", "annotation_source", "cases"]
    assert "Phantoms" in described["name"] and "PHANTOMS (generated, no patient data)" in described["description"]
    assert described["classes"] == list(CLASSES) and described["lesions"] == ["tumour"]
    assert [case["name"] for case in described["cases"]] == [f"phantom_{index:04d}" for index in range(10)]
    assert Counter(case["use"] for case in described["cases"]) == {"training": 8, "validation": 2}
    sizes = group_sizes(8)
    unlabelled = [case for case in described["cases"] if case["label"] is None]
    assert len(unlabelled) == sizes["dataset4"] and not any(case["annotated"] for case in unlabelled)
    assert sum(case["annotated"] == list(ORGANS) for case in described["cases"]) == sizes["dataset1"]
    for case in described["cases"][8:]:
        assert case["label"] == f"truth/{case['name']}.nii.gz" and case["annotated"] == list(CLASSES)


def test_labels_hold_the_annotated_classes_of_the_truth_and_no_other(written):
    for case in json.loads((written / "cohort.json").read_text())["cases"]:
        image = nib.load(written / case["image"])
        truth = nib.load(written / "truth" / f"{case['name']}.nii.gz")
        assert image.get_data_dtype() == np.int16 and truth.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(image.affine, truth.affine)
        assert image.header["sform_code"] == image.header["qform_code"] == 1
        complete = np.asarray(truth.dataobj)
        assert set(range(1, TUMOUR)) <= set(np.unique(complete))
        if case["label"] is None:
            assert not (written / "labels" / f"{case['name']}.nii.gz").exists()
            continue
        label = nib.load(written / case["label"])
        np.testing.assert_array_equal(label.affine, image.affine)
        partial = np.asarray(label.dataobj)
        wanted = {ORGAN_ID[name] for name in case["annotated"]}
        assert set(np.unique(partial)) <= {0} | wanted
        for number in wanted - {TUMOUR}:
            extra = complete[(partial == number) & (complete != number)]
            assert (extra == TUMOUR).all() and (not len(extra) or TUMOUR not in wanted)
            assert (partial[complete == number] == number).all()
        if TUMOUR in wanted:
            np.testing.assert_array_equal(partial == TUMOUR, complete == TUMOUR)


def test_second_call_changes_nothing(written):
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    write_abdomen_phantoms(written, **TINY)
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*")} == before


def test_threads_do_not_change_a_byte(written, tmp_path):
    write_abdomen_phantoms(tmp_path / "again", **TINY, num_workers=1)
    assert contents(tmp_path / "again") == contents(written)


@pytest.mark.parametrize("with_manifest", [True, False])
def test_interrupted_generation_goes_on_with_what_is_missing(written, tmp_path, with_manifest):
    folder = tmp_path / "resumed"
    for name, data in contents(written).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "truth" / "phantom_0002.nii.gz").unlink()
    (folder / "images" / "phantom_0009.nii.gz").unlink()
    next((folder / "labels").iterdir()).unlink()
    if not with_manifest:
        (folder / "cohort.json").unlink()
    kept = (folder / "images" / "phantom_0008.nii.gz").stat().st_mtime_ns
    write_abdomen_phantoms(folder, **TINY)
    assert contents(folder) == contents(written)
    assert (folder / "images" / "phantom_0008.nii.gz").stat().st_mtime_ns == kept


def test_other_parameters_are_refused(written):
    with pytest.raises(InputError, match=r"abdomen: .*num_cases 8 instead of 9.*another folder or delete it"):
        write_abdomen_phantoms(written, **{**TINY, "num_cases": 9})
    with pytest.raises(InputError, match="seed 0 instead of 1"):
        write_abdomen_phantoms(written, **TINY, seed=1)


def test_other_peoples_data_are_refused(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="no phantoms of this generator; choose another folder"):
        write_abdomen_phantoms(tmp_path, **TINY)
    (tmp_path / "phantom_parameters.json").write_text("{")
    with pytest.raises(InputError, match=r"phantom_parameters\.json: describes no phantoms"):
        write_abdomen_phantoms(tmp_path, **TINY)


def test_unwritable_folder_and_empty_cohort_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="choose a writable folder"):
        write_abdomen_phantoms(tmp_path / "file" / "below", **TINY)
    with pytest.raises(InputError, match="at least one case"):
        write_abdomen_phantoms(tmp_path, num_cases=0)
