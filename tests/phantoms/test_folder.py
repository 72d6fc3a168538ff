"""A folder of phantoms: written once, resumed with what is missing, refused where it holds something else."""

import json
from functools import partial

import nibabel as nib
import numpy as np
import pytest

from custom.errors import InputError
from custom.phantoms.folder import case_seed, save_volume, write_folder

PARAMETERS = {"generator": 1, "num_cases": 3, "extent_mm": (120.0, 200.0)}


def generate(folder, parameters=PARAMETERS, written=None):
    """Write three cases of two files; `written` collects the numbers of those that were not there."""

    def write(number):
        for kind in ("images", "labels"):
            (folder / kind).mkdir(exist_ok=True)
            (folder / kind / f"{number}.txt").write_text(str(number))
        if written is not None:
            written.append(number)

    jobs = [([f"./images/{n}.txt", f"labels/{n}.txt"], partial(write, n)) for n in range(3)]
    write_folder(folder, "cohort.json", {"cases": 3}, parameters, jobs, num_workers=2)


def test_seeds_of_cases_and_parts_are_all_different_and_stay():
    seeds = [case_seed(seed, part, index) for seed in range(3) for part in range(2) for index in range(50)]
    assert len(set(seeds)) == len(seeds)
    assert case_seed(1, 0, 7) == case_seed(1, 0, 7)


def test_a_folder_is_written_once_and_resumed_with_what_is_missing(tmp_path):
    folder, written = tmp_path / "new", []
    generate(folder, written=written)
    assert sorted(written) == [0, 1, 2] and json.loads((folder / "cohort.json").read_text()) == {"cases": 3}
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    generate(folder, written=written)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    (folder / "labels" / "1.txt").unlink()
    generate(folder, written=written)
    assert written[3:] == [1] and (folder / "labels" / "1.txt").exists()
    (folder / "cohort.json").unlink()
    generate(folder, written=written)
    assert len(written) == 4 and (folder / "cohort.json").exists()


def test_an_interrupted_generation_knows_its_own_cases(tmp_path):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path, "cohort.json", {}, PARAMETERS, [(["images/0.txt"], fail)])
    assert not (tmp_path / "cohort.json").exists()
    (tmp_path / "images").mkdir()
    generate(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_cases": 6}, "num_cases 3 instead of 6"),
        ({"extent_mm": (120.0, 180.0)}, r"extent_mm \[120.0, 200.0\] instead of \[120.0, 180.0\]"),
        ({"tumours": 1}, "tumours None instead of 1"),
    ],
)
def test_phantoms_of_other_parameters_are_refused(tmp_path, changes, said):
    generate(tmp_path)
    with pytest.raises(InputError, match=rf"{tmp_path}: .*\({said}\); choose another folder or delete it"):
        generate(tmp_path, {**PARAMETERS, **changes})


def test_data_of_another_origin_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="holds data that are no phantoms of this generator; choose another folder"):
        generate(tmp_path)
    (tmp_path / "phantom_parameters.json").write_text("{")
    with pytest.raises(InputError, match=r"phantom_parameters\.json: describes no phantoms"):
        generate(tmp_path)


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"below cannot be written .*: choose a writable folder"):
        generate(tmp_path / "file" / "below")


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
