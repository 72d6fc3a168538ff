"""Abdominal phantoms: adults' anatomy in Hounsfield units, honest partial labels, reproducible."""

import json
from collections import Counter
from functools import cache

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scipy.ndimage import label as connected

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
from custom.phantoms.abdomen.tumours import TumourChoice, draw_count, tumour_choice

COARSE = ((6.0, 8.0), (5.0, 5.0))
SEEDS = range(16)
ORGAN_ID = {name: number for number, name in enumerate(CLASSES, start=1)}
TUMOUR = ORGAN_ID["tumour"]
HOSTS = ("liver", "pancreas", "left_kidney", "right_kidney", "spleen")

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
INNER_HU = {  # of both phases
    "liver": (50, 135),
    "right_kidney": (125, 220),
    "left_kidney": (125, 220),
    "spleen": (95, 170),
    "pancreas": (60, 125),
    "aorta": (120, 360),
    "inferior_vena_cava": (80, 170),
    "gallbladder": (-15, 35),
}


@cache
def phantom(seed):
    return make_abdomen_phantom(seed, COARSE)


def voxel_ml(made):
    return abs(np.linalg.det(made.affine[:3, :3])) / 1000


def middle(made, name):
    """Centre of an organ in world coordinates: x right, y anterior, z superior."""
    return nib.affines.apply_affine(made.affine, np.argwhere(made.organs == ORGAN_ID[name]).mean(axis=0))


def test_classes_are_flares_in_its_order():
    assert len(ORGANS) == 13 and (*ORGANS, "tumour") == CLASSES
    assert [ORGAN_ID[name] for name in ("liver", "right_kidney", "spleen", "pancreas", "aorta")] == [1, 2, 3, 4, 5]
    assert [ORGAN_ID[name] for name in ("right_adrenal", "left_adrenal", "oesophagus", "left_kidney")] == [7, 8, 10, 13]


def test_one_seed_gives_one_phantom_and_another_seed_another():
    first, again, other = make_abdomen_phantom(3, COARSE), phantom(3), phantom(4)
    for name in ("image", "label", "organs", "affine"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


def test_arrays_are_what_files_need():
    for seed in SEEDS:
        made = phantom(seed)
        assert made.image.dtype == np.int16 and made.label.dtype == np.uint8 and made.organs.dtype == np.uint8
        assert made.image.shape == made.label.shape == made.organs.shape
        assert set(np.unique(made.organs)) == set(range(TUMOUR))
        assert made.image.min() >= -1024 and made.image.max() <= 3071


@pytest.mark.parametrize("name", ORGANS)
def test_organs_have_the_volumes_of_adults_and_are_in_one_piece(name):
    masks = [phantom(seed).organs == ORGAN_ID[name] for seed in SEEDS]
    volumes = np.array([mask.sum() * voxel_ml(phantom(seed)) for seed, mask in zip(SEEDS, masks, strict=True)])
    (least, most), (low, high) = VOLUME_ML[name]
    assert volumes.min() >= least and volumes.max() <= most
    assert low <= volumes.mean() <= high and volumes.std() > 0.05 * volumes.mean()
    for mask in masks:
        sizes = np.bincount(connected(mask, np.ones((3, 3, 3)))[0].ravel())[1:]
        assert sizes.max() > 0.85 * sizes.sum()


@pytest.mark.parametrize("name", INNER_HU)
def test_organs_have_the_hounsfield_units_of_contrast_enhanced_ct(name):
    low, high = INNER_HU[name]
    for seed in SEEDS:
        made = phantom(seed)
        inside = binary_erosion(made.label == ORGAN_ID[name], np.ones((2, 2, 2)))
        assert low <= made.image[inside].mean() <= high, seed


def test_a_scan_shows_air_lung_fat_soft_tissue_and_bone():
    for seed in SEEDS:
        made = phantom(seed)
        background = made.image[made.label == 0]
        assert (background < -700).mean() > 0.1  # air around the patient, lung
        assert ((background > -140) & (background < -60)).mean() > 0.1  # fat
        assert ((background > 20) & (background < 120)).mean() > 0.05  # muscle
        assert (background > 250).mean() > 0.004  # bone


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


def test_orientation_and_spacing_vary():
    codes = Counter()
    for seed in range(30):
        made = phantom(seed)
        spacing = nib.affines.voxel_sizes(made.affine)
        assert 6 <= spacing[2] <= 8 and spacing[0] == spacing[1] == 5
        assert 300 < made.image.shape[0] * 5 < 390 and 180 < made.image.shape[1] * 5 < 290
        codes["".join(nib.aff2axcodes(made.affine))] += 1
    assert set(codes) == {"LPS", "RAS", "LAS", "RPS", "LPI"}


def test_tumours_lie_in_hosts_and_are_darker_than_these():
    hosts, contrasts = Counter(), []
    for seed in range(30):
        made = phantom(seed)
        mask = made.label == TUMOUR
        np.testing.assert_array_equal(made.label[~mask], made.organs[~mask])
        found = Counter(made.organs[mask].tolist())
        assert set(found) <= {ORGAN_ID[name] for name in HOSTS}
        for host, voxels in found.items():
            hosts[host] += 1
            assert 0.3 < voxels * voxel_ml(made) < 3 * TumourChoice.largest_ml
            inner = binary_erosion(mask & (made.organs == host))
            if inner.sum() > 10:
                contrasts.append(made.image[inner].mean() - np.median(made.image[made.label == host]))
    assert len(hosts) >= 4
    assert len(contrasts) > 3 and min(contrasts) > -80 and max(contrasts) < -10


def test_about_two_thirds_of_the_patients_have_one_to_three_tumours():
    rng = np.random.default_rng(0)
    counts = np.array([draw_count(rng, TumourChoice().chance) for _ in range(2000)])
    assert (counts > 0).mean() == pytest.approx(0.65, abs=0.04) and set(counts) == {0, 1, 2, 3}


def test_tumours_are_as_asked():
    none = make_abdomen_phantom(0, COARSE, TumourChoice(chance=0))
    np.testing.assert_array_equal(none.label, none.organs)
    large = TumourChoice(chance=1, smallest_ml=30, median_ml=30, largest_ml=30)
    for seed in range(4):
        made = make_abdomen_phantom(seed, COARSE, large)
        found = Counter(made.organs[made.label == TUMOUR].tolist())
        assert found
        for host, voxels in found.items():
            host_ml = (made.organs == host).sum() * voxel_ml(made)
            one = min(30, 0.2 * host_ml)  # at most a fifth of the host
            assert voxels * voxel_ml(made) / one == pytest.approx(round(voxels * voxel_ml(made) / one), abs=0.05)
    with pytest.raises(InputError, match="volumes in order"):
        TumourChoice(smallest_ml=10)


def test_finer_spacing_gives_the_same_patient_in_more_voxels():
    fine, coarse = (make_abdomen_phantom(7, ((7.0, 7.0), (step, step))) for step in (2.5, 5.0))
    assert fine.image.size == pytest.approx(4 * coarse.image.size, rel=0.05)
    for name in ("liver", "spleen", "left_kidney", "stomach", "aorta", "pancreas"):
        volumes = [(made.organs == ORGAN_ID[name]).sum() * voxel_ml(made) for made in (fine, coarse)]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.15), name


def test_groups_have_the_papers_proportions_by_largest_remainder():
    assert group_sizes(4000) == PAPER_CASES
    # 40 * 222/4000 = 2.22, 5.97, 13.81, 18.00
    assert group_sizes(40) == {"dataset1": 2, "dataset2": 6, "dataset3": 14, "dataset4": 18}
    for count in range(4, 60):
        sizes = group_sizes(count)
        assert sum(sizes.values()) == count and min(sizes.values()) >= 1
    assert sum(group_sizes(1).values()) == 1


def test_studies_are_counted_as_the_groups_in_an_order_drawn_by_seed():
    studies, sizes = draw_studies(60, 0), group_sizes(60)
    assert studies.count(ORGAN_STUDY) == sizes["dataset1"]
    assert studies.count(TUMOUR_STUDY) == sizes["dataset2"]
    assert studies.count(SCREENING) == sizes["dataset4"]
    partial = Counter(study for study in studies if study in PARTIAL_STUDIES)
    assert len(partial) == len(PARTIAL_STUDIES) and max(partial.values()) - min(partial.values()) <= 1
    assert draw_studies(60, 0) == studies != draw_studies(60, 1)


def test_the_groups_follow_from_the_annotated_sets():
    second = {"liver", "right_kidney", "spleen", "pancreas", "left_kidney", "tumour"}
    assert set(ORGAN_STUDY.annotated) == set(ORGANS) and set(TUMOUR_STUDY.annotated) == second
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


TINY = {"num_cases": 8, "num_validation": 2, "spacing_mm": ((8.0, 8.0), (6.0, 6.0))}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "abdomen"
    assert write_abdomen_phantoms(folder, **TINY, num_workers=2) == str(folder / "cohort.json")
    return folder


def test_manifest_names_cases_and_what_is_annotated_in_them(written):
    described = json.loads((written / "cohort.json").read_text())
    assert "PHANTOMS (generated, no patient data)" in described["description"]
    assert described["classes"] == list(CLASSES) and described["lesions"] == ["tumour"]
    assert [case["name"] for case in described["cases"]] == [f"phantom_{index:04d}" for index in range(10)]
    assert Counter(case["use"] for case in described["cases"]) == {"training": 8, "validation": 2}
    unlabelled = [case for case in described["cases"] if case["label"] is None]
    assert len(unlabelled) == group_sizes(8)["dataset4"] and not any(case["annotated"] for case in unlabelled)
    assert sum(case["annotated"] == list(ORGANS) for case in described["cases"]) == group_sizes(8)["dataset1"]
    for case in described["cases"][8:]:
        assert case["label"] == f"truth/{case['name']}.nii.gz" and case["annotated"] == list(CLASSES)


def test_labels_hold_the_annotated_classes_of_the_truth_and_no_other(written):
    for case in json.loads((written / "cohort.json").read_text())["cases"]:
        image, truth = (nib.load(written / name) for name in (case["image"], f"truth/{case['name']}.nii.gz"))
        assert image.get_data_dtype() == np.int16 and truth.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(image.affine, truth.affine)
        if case["label"] is None:
            assert not (written / "labels" / f"{case['name']}.nii.gz").exists()
            continue
        label = nib.load(written / case["label"])
        np.testing.assert_array_equal(label.affine, image.affine)
        partial, complete = np.asarray(label.dataobj), np.asarray(truth.dataobj)
        wanted = {ORGAN_ID[name] for name in case["annotated"]}
        assert set(np.unique(partial)) <= {0} | wanted
        for number in wanted:
            assert (partial[complete == number] == number).all()
            extra = complete[(partial == number) & (complete != number)]
            assert not len(extra) or ((extra == TUMOUR).all() and TUMOUR not in wanted), "a host through its tumour"


def test_threads_do_not_change_a_byte_and_cases_do_not_depend_on_their_number(written, tmp_path):
    write_abdomen_phantoms(tmp_path / "again", **TINY, num_workers=1)
    for path in written.rglob("*.*"):
        assert (tmp_path / "again" / path.relative_to(written)).read_bytes() == path.read_bytes()
    few, many = list_cases(5, 3, 0)[1], list_cases(50, 20, 0)[1]
    assert few == many[:5] + many[50:53] and len(set(many)) == 70


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spacing_mm": ((5.0, 2.0), (0.7, 0.9))}, r"spacing_mm: slice distance \(5.0, 2.0\) is no \(low, high\)"),
        ({"spacing_mm": ((2.0, 5.0), (0.1, 0.9))}, "spacing_mm: pixel size .* within 0.4 to 6.0 mm"),
        ({"num_cases": 0}, "at least one case"),
        ({"tumours": {"chance": 2}}, "chance of 0 to 1"),
    ],
)
def test_unusable_arguments_are_named_before_anything_is_written(arguments, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_abdomen_phantoms(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_other_parameters_are_refused(written):
    with pytest.raises(InputError, match=r"abdomen: .*num_cases 8 instead of 9.*another folder or delete it"):
        write_abdomen_phantoms(written, **{**TINY, "num_cases": 9})


def test_a_value_that_tumours_do_not_have():
    with pytest.raises(InputError, match="tumours: there is no 'size'; name any of chance, smallest_ml"):
        tumour_choice({"size": 3})
