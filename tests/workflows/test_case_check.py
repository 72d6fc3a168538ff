"""Cases of a few voxels, each with one fault."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from custom.cohort.manifest import Cohort, CohortCase
from custom.workflows.case_check import unusable_cases

SHAPE = (4, 5, 6)


def save(file, volume, affine=None):
    file.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(volume, np.eye(4) if affine is None else affine), file)
    return str(file)


@pytest.fixture
def make_case(tmp_path):
    def make(name, values=(1,), annotated=(1,), shape=SHAPE, affine=None, use="training"):
        """A case whose label holds `values`; with None it has none."""
        image = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
        image_file = save(tmp_path / "images" / f"{name}.nii.gz", image)
        if values is None:
            return CohortCase(name, image_file, None, (), use)
        label = np.zeros(shape, np.int16)
        label.flat[: len(values)] = values
        return CohortCase(name, image_file, save(tmp_path / "labels" / f"{name}.nii.gz", label, affine), annotated, use)

    return make


@pytest.fixture
def unusable(tmp_path):
    def check(*cases):
        return unusable_cases(Cohort("c", ("liver", "spleen", "tumour"), (3,), cases), tmp_path / "facts.json")

    return check


def test_sound_cases_are_usable(unusable, make_case):
    cases = [
        make_case("whole", (1, 2, 3), (1, 2, 3)),
        make_case("without the tumour it is annotated for", (1,), (1, 3)),
        make_case("empty", (), (1,)),
        make_case("bare", None),
        make_case("held", (2,), (2,), use="validation"),
    ]
    assert unusable(*cases) == {}


def test_classes_that_the_manifest_does_not_list(unusable, make_case):
    bad = make_case("bad", (1, 2, 3), (1,))
    assert unusable(make_case("good"), bad) == {
        "bad": f"{bad.label}: holds spleen, tumour, which the manifest does not list as annotated; "
        "correct either of them"
    }


@pytest.mark.parametrize("value", [-1, 4, 255])
def test_values_that_are_no_class(unusable, make_case, value):
    bad = make_case("bad", (1, value), (1,))
    assert unusable(bad) == {
        "bad": f"{bad.label}: label values {value} are outside the classes 0 to 3; correct the label or class_names"
    }


def test_both_faults_in_one_line(unusable, make_case):
    reason = unusable(make_case("bad", (2, 9), (1,)))["bad"]
    assert "label values 9 are outside" in reason
    assert "; also " in reason
    assert "holds spleen, which" in reason


def test_a_label_on_another_grid_than_its_scan(unusable, make_case):
    found = unusable(make_case("shape", shape=(4, 5, 7)), make_case("place", affine=np.diag([1, 1, 1.5, 1])))
    assert "shape 4 x 5 x 7 differs from 4 x 5 x 6" in found["shape"]
    assert "lies up to 2.5 mm apart" in found["place"]


def test_a_missing_and_a_torn_scan(unusable, make_case, tmp_path):
    missing, torn, good = make_case("missing", None), make_case("torn"), make_case("good", use="validation")
    (tmp_path / "images" / "missing.nii.gz").unlink()
    file = tmp_path / "images" / "torn.nii.gz"
    file.write_bytes(file.read_bytes()[:-20])
    found = unusable(missing, torn, good)
    assert list(found) == ["missing", "torn"]
    assert found["missing"].startswith(f"{missing.image}: does not exist")
    assert found["torn"].startswith(f"{torn.image}: cannot be read")


def test_a_corrected_file_is_noticed(unusable, make_case):
    assert list(unusable(make_case("a", (1, 2), (1,)))) == ["a"]
    assert unusable(make_case("a", (1,), (1,))) == {}


def test_what_the_plans_of_the_stages_cannot_use(tmp_path, make_case):
    padded = nib.load(make_case("good").image)
    voxels = np.asarray(padded.dataobj).copy()
    voxels[0] = -3.4e38
    bare = [
        CohortCase("padded", save(tmp_path / "images" / "padded.nii.gz", voxels), None, (), "training"),
        CohortCase("huge", save(tmp_path / "images" / "huge.nii.gz", padded.get_fdata(), np.diag([1e6, 1e6, 1e6, 1])),
                   None, (), "training"),
    ]  # fmt: skip
    cohort = Cohort("c", ("liver", "spleen", "tumour"), (3,), (make_case("good"), *bare))
    plan = {"normalisation": "zscore", "spacing": [1.0, 1.0, 1.0], "orientation": "SAR"}
    found = unusable_cases(cohort, tmp_path / "facts.json", [plan])
    assert list(found) == ["padded", "huge"]
    assert "leave nothing of all others" in found["padded"]
    assert "GiB of memory at 1 x 1 x 1 mm" in found["huge"]
    assert list(unusable_cases(cohort, tmp_path / "facts.json", [plan | {"normalisation": "ct"}])) == ["huge"]
