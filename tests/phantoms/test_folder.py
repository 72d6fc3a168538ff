"""A folder of phantoms knows its parameters, refuses others, and has files in scanner coordinates."""

import time

import nibabel as nib
import numpy as np
import pytest

from custom.errors import InputError
from custom.phantoms.folder import case_seed, holds_phantoms, map_cases, save_volume, write_parameters

PARAMETERS = {"generator": 1, "num_cases": 5, "extent_mm": (120.0, 200.0)}
CONTENTS = ("dataset.json", "images")


def test_seeds_of_cases_and_parts_are_all_different_and_stay():
    seeds = [case_seed(seed, part, index) for seed in range(3) for part in range(2) for index in range(50)]
    assert len(set(seeds)) == len(seeds)
    assert seeds == [case_seed(seed, part, index) for seed in range(3) for part in range(2) for index in range(50)]


def test_a_folder_holds_phantoms_once_their_parameters_are_noted(tmp_path):
    folder = tmp_path / "new"
    assert not holds_phantoms(folder, PARAMETERS, CONTENTS)
    write_parameters(folder, PARAMETERS)
    assert holds_phantoms(folder, PARAMETERS, CONTENTS), "tuples come back from JSON as lists"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"num_cases": 6}, "num_cases 5 instead of 6"),
        ({"extent_mm": (120.0, 180.0)}, r"extent_mm \[120.0, 200.0\] instead of \[120.0, 180.0\]"),
        ({"tumours": 1}, "tumours None instead of 1"),
    ],
)
def test_phantoms_of_other_parameters_are_refused(tmp_path, changes, told):
    write_parameters(tmp_path, PARAMETERS)
    with pytest.raises(InputError, match=rf"{tmp_path}: .*\({told}\); choose another folder or delete it"):
        holds_phantoms(tmp_path, {**PARAMETERS, **changes}, CONTENTS)


def test_a_parameter_that_is_gone_is_named(tmp_path):
    write_parameters(tmp_path, {**PARAMETERS, "tilt": 3})
    with pytest.raises(InputError, match="tilt 3 instead of None"):
        holds_phantoms(tmp_path, PARAMETERS, CONTENTS)


def test_data_of_another_origin_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert not holds_phantoms(tmp_path, PARAMETERS, CONTENTS), "what no generator writes does not matter"
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="holds data that are no phantoms of this generator; choose another folder"):
        holds_phantoms(tmp_path, PARAMETERS, CONTENTS)
    (tmp_path / "phantom_parameters.json").write_text("{")
    with pytest.raises(InputError, match=r"phantom_parameters\.json: describes no phantoms"):
        holds_phantoms(tmp_path, PARAMETERS, CONTENTS)


def test_results_keep_the_order_of_the_cases():
    def write(case: int) -> int:
        time.sleep(0.02 * (case == 0))  # the first one ends last
        return case**2

    assert map_cases(write, range(6), 4, "cases") == [0, 1, 4, 9, 16, 25]


def test_a_saved_volume_lies_in_scanner_coordinates_and_has_the_same_bytes_again(tmp_path):
    volume = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    affine = np.array([[0, -2, 0, 5], [3, 0, 0, -7], [0, 0, 4, 11], [0, 0, 0, 1]], dtype=float)
    for name in ("a.nii.gz", "b.nii.gz"):
        save_volume(tmp_path / name, volume, affine)
    saved = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(saved.dataobj, volume)
    np.testing.assert_allclose(saved.affine, affine)
    assert saved.header["sform_code"] == saved.header["qform_code"] == 1 and saved.header.get_xyzt_units()[0] == "mm"
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
