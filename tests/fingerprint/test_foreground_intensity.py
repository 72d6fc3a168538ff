"""Foreground statistics of a cohort against numpy's of all its voxels at once."""

import json
import logging
import threading
from importlib import import_module

import nibabel as nib
import numpy as np
import pytest

from custom.errors import InputError
from custom.fingerprint.foreground_intensity import FLARE22_INTENSITY, foreground_intensity, read_intensity

module = import_module("custom.fingerprint.foreground_intensity")  # the package exports a function of the same name
SHAPE = (9, 8, 7)


def save(path, voxels, slope=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    if slope is not None:  # scl_slope and scl_inter, which nibabel chooses itself
        with path.open("r+b") as file:
            file.seek(112)
            file.write(np.array(slope, np.float32).tobytes())
    return str(path)


def noise_label(random):
    return random.choice([0, 1, 4, 255], SHAPE, p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)


def cohort(folder, images, labels):
    return [
        {"image": save(folder / "i" / f"{number}.nii", image), "label": save(folder / "l" / f"{number}.nii", label)}
        for number, (image, label) in enumerate(zip(images, labels, strict=True))
    ]


def foreground(images, labels):
    return np.concatenate(
        [image[(label > 0) & (label != 255)].astype(float) for image, label in zip(images, labels, strict=True)]
    )


@pytest.fixture
def ct(tmp_path):
    """Five scans of whole numbers around different means, as cases and as their foreground voxels."""
    random = np.random.default_rng(0)
    images = [random.normal(100 * number - 200, 300, SHAPE).round().astype(np.int16) for number in range(5)]
    labels = [noise_label(random) for _ in images]
    return cohort(tmp_path, images, labels), foreground(images, labels)


@pytest.mark.parametrize("percentiles", [(0.5, 99.5), (0, 100), (10.0, 33.3), (45, 55.5)])
def test_whole_numbers_are_exact(ct, percentiles):
    cases, voxels = ct
    found = foreground_intensity(cases, percentiles=percentiles)
    assert [found["lower"], found["upper"]] == np.percentile(voxels, percentiles).tolist()
    assert found["mean"] == pytest.approx(voxels.mean(), rel=1e-13)
    assert found["sd"] == pytest.approx(voxels.std(), rel=1e-13)
    assert (found["cases"], found["voxels"]) == (5, voxels.size)
    assert found["percentiles"] == list(percentiles)


def test_mean_and_deviation_far_from_zero_keep_their_digits(tmp_path):
    """A sum of squares would lose the deviation beside a mean of 10^8."""
    random = np.random.default_rng(1)
    images = [1e8 + random.normal(0, 1, SHAPE) for _ in range(4)]
    labels = [np.ones(SHAPE, np.uint8)] * 4
    assert foreground_intensity(cohort(tmp_path, images, labels))["sd"] == pytest.approx(
        foreground(images, labels).std(), rel=1e-7
    )


def test_fractions_are_rounded_to_whole_numbers_for_percentiles_only(tmp_path):
    random = np.random.default_rng(2)
    images = [random.normal(0, 300, SHAPE) for _ in range(3)]
    labels = [noise_label(random) for _ in images]
    voxels = foreground(images, labels)
    found = foreground_intensity(cohort(tmp_path, images, labels))
    assert [found["lower"], found["upper"]] == np.percentile(np.rint(voxels), (0.5, 99.5)).tolist()
    assert found["mean"] == pytest.approx(voxels.mean(), rel=1e-12)


def test_small_ranges_are_binned_finely(tmp_path):
    random = np.random.default_rng(3)
    images = [random.random(SHAPE) * 2 for _ in range(3)]
    labels = [noise_label(random) for _ in images]
    found = foreground_intensity(cohort(tmp_path, images, labels))
    expected = np.percentile(foreground(images, labels), (0.5, 99.5))
    assert np.allclose([found["lower"], found["upper"]], expected, atol=1 / 1024)


@pytest.mark.parametrize("order", [1, -1])
def test_cases_of_small_range_do_not_make_a_wide_cohort_fine(tmp_path, order):
    """The range of the whole cohort decides, whatever the order of the cases."""
    random = np.random.default_rng(4)
    images = [random.random(SHAPE) + start for start in (0, 70, 140, 210)][::order]
    labels = [np.ones(SHAPE, np.uint8)] * 4
    found = foreground_intensity(cohort(tmp_path, images, labels))
    assert [found["lower"], found["upper"]] == np.percentile(np.rint(foreground(images, labels)), (0.5, 99.5)).tolist()


def test_a_wild_value_costs_no_memory(tmp_path):
    image = np.arange(504.0).reshape(SHAPE)
    image[0, 0, 0] = 1e30
    image[8, 7, 6] = -1e12
    found = foreground_intensity(cohort(tmp_path, [image], [np.ones(SHAPE, np.uint8)]), percentiles=(10, 90))
    assert [found["lower"], found["upper"]] == np.percentile(image.clip(-1e6, 1e6), (10, 90)).tolist()


def test_scale_factors_of_the_header_are_applied(tmp_path):
    image = np.arange(504, dtype=np.int16).reshape(SHAPE)
    label = np.full(SHAPE, 2, np.uint8)
    label[0] = 0
    case = {
        "image": save(tmp_path / "i.nii", image, (2, -1024)),
        "label": save(tmp_path / "l.nii", label, (0.5, 0)),
    }
    found = foreground_intensity([case], percentiles=(0, 100))
    assert (found["lower"], found["upper"], found["voxels"]) == (2 * 56 - 1024, 2 * 503 - 1024, 448)


def test_the_number_of_threads_changes_nothing(ct):
    cases, _ = ct
    assert foreground_intensity(cases, num_workers=1) == foreground_intensity(cases, num_workers=4)


def test_memory_does_not_grow_with_the_number_of_cases(ct, monkeypatch):
    """Never more scans at once than threads."""
    cases, _ = ct
    held, most, lock, read = [], [], threading.Lock(), module._case_intensities

    def counted(case):
        with lock:
            held.append(case)
            most.append(len(held))
        try:
            return read(case)
        finally:
            with lock:
                held.pop()

    monkeypatch.setattr(module, "_case_intensities", counted)
    total = foreground_intensity(cases * 4, num_workers=2)
    assert max(most) <= 2
    assert total["voxels"] == 4 * foreground_intensity(cases)["voxels"]


def test_cases_without_label_or_foreground_are_passed_over(tmp_path, ct):
    cases, _ = ct
    empty = save(tmp_path / "empty.nii", np.full(SHAPE, 255, np.uint8))
    more = [{"image": cases[0]["image"]}, {"image": cases[0]["image"], "label": None}, {**cases[0], "label": empty}]
    assert foreground_intensity([*more, *cases]) == foreground_intensity(cases)


def test_no_foreground_at_all(tmp_path, ct):
    cases, _ = ct
    with pytest.raises(InputError, match="none of 1 cases has an annotated foreground voxel"):
        foreground_intensity([{"image": cases[0]["image"]}])


def test_several_channels_are_refused(ct):
    cases, _ = ct
    with pytest.raises(InputError, match=r"0.nii: one of 2 channels; foreground intensities are those of CT"):
        foreground_intensity([{**cases[0], "image": [cases[0]["image"], cases[1]["image"]]}])


def test_scan_and_label_of_different_shape(tmp_path, ct):
    cases, _ = ct
    other = save(tmp_path / "other.nii", np.ones((3, 3, 3), np.uint8))
    with pytest.raises(InputError, match=r"other.nii: shape \(3, 3, 3\) differs from \(9, 8, 7\) of .*0.nii; bring"):
        foreground_intensity([{**cases[0], "label": other}])


def test_constant_foreground_cannot_normalise(tmp_path):
    cases = cohort(tmp_path, [np.full(SHAPE, 40, np.int16)], [np.ones(SHAPE, np.uint8)])
    with pytest.raises(InputError, match="from 40 to 40 with standard deviation 0 cannot normalise"):
        foreground_intensity(cases)


def test_foreground_that_is_not_finite(tmp_path):
    image = np.arange(504.0).reshape(SHAPE)
    image[1, 1, 1] = np.nan
    label = np.ones(SHAPE, np.uint8)
    with pytest.raises(InputError, match=r"0.nii: NaN or infinite in the foreground; replace"):
        foreground_intensity(cohort(tmp_path, [image], [label]))
    label[1, 1, 1] = 0
    assert foreground_intensity(cohort(tmp_path, [image], [label]))["voxels"] == 503


def test_the_file_is_written_once_and_read_without_opening_a_scan(tmp_path, ct):
    cases, _ = ct
    file = tmp_path / "work" / "intensity.json"
    found = foreground_intensity(cases, file)
    assert json.loads(file.read_text()) == found
    assert foreground_intensity([{"image": "gone.nii", "label": "gone too.nii"}], file) == found
    assert read_intensity(file) == found


def test_a_file_of_other_percentiles_is_refused(tmp_path, ct):
    cases, _ = ct
    foreground_intensity(cases, tmp_path / "i.json")
    with pytest.raises(InputError, match=r"i.json: holds percentiles \[0.5, 99.5\], \[1, 99\] are asked for;"):
        foreground_intensity(cases, tmp_path / "i.json", percentiles=(1, 99))


def test_flare22_stands_in_only_where_no_model_depends_on_it(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert read_intensity(tmp_path / "i.json") == FLARE22_INTENSITY
    assert "FLARE22's published statistics" in caplog.text
    (tmp_path / "model.pt").touch()
    with pytest.raises(InputError, match=r"i.json is missing: .*model.pt was trained with its intensities; restore it"):
        read_intensity(tmp_path / "i.json")


SOUND = {"lower": -100, "upper": 200, "mean": 50.0, "sd": 30.0}


def test_a_file_written_by_hand(tmp_path):
    (tmp_path / "i.json").write_text(json.dumps({**SOUND, "origin": "my CTs"}))
    assert read_intensity(tmp_path / "i.json") == {**SOUND, "origin": "my CTs"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "i.json: is not readable JSON"),
        ("[1]", "i.json: must hold an object, not a list"),
        (json.dumps({**SOUND, "sd": 0}), "with standard deviation 0 cannot normalise"),
        (json.dumps({**SOUND, "lower": 200}), "intensities from 200 to 200"),
        (json.dumps({**SOUND, "mean": float("nan")}), "mean is nan, not a finite number"),
        (json.dumps({**SOUND, "mean": "50"}), "mean is '50', not a finite number"),
        (json.dumps({**SOUND, "mean": True}), "mean is True, not a finite number"),
        (json.dumps({"lower": 1, "upper": 2, "mean": 1}), "sd is None, not a finite number"),
    ],
)
def test_unusable_files(tmp_path, content, message):
    (tmp_path / "i.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_intensity(tmp_path / "i.json")
