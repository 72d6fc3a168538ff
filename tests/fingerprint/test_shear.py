"""Scans of tilted gantries are told from scans at an angle."""

import numpy as np
import pydicom
import pytest

from custom.fingerprint.integrity import inspect_case
from custom.fingerprint.shear import shear, shear_problems, with_shear_problems
from custom.geometry.affine_rounding import SHEAR, without_header_rounding

from ..io.scan_files import turned, write_scan, write_series

NOISE = np.random.default_rng(0).integers(-500, 1500, (8, 7, 6)).astype(np.int16)


def tilted(degrees, spacing=(0.7, 0.8, 5.0)):
    """Slices shifted against each other, as the gantry's tilt does."""
    affine = turned("LPS", (10, -20, 30), spacing)
    affine[:3, 2] += np.tan(np.radians(degrees)) * spacing[2] * affine[:3, 1] / spacing[1]
    return affine


@pytest.mark.parametrize("degrees", [0, 0.5, 15, -30])
def test_the_sine_of_the_tilt(degrees):
    assert shear(tilted(degrees)) == pytest.approx(abs(np.sin(np.radians(degrees))), abs=1e-12)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.3, 2, 9)])
def test_no_shear_in_a_turned_scan_with_the_rounding_of_its_file(tmp_path, spacing):
    file = write_scan(tmp_path / "a.nii.gz", NOISE, turned("PIR", (10, -20, 30), spacing))
    facts = inspect_case({"image": str(file)})
    assert 0 < shear(np.array(facts.affine)) < SHEAR
    assert with_shear_problems(facts) == facts


@pytest.mark.parametrize("part", [0.99, 1.01])
def test_what_is_no_shear_is_straightened_when_it_is_read(part):
    affine = tilted(np.degrees(np.arcsin(part * SHEAR)))
    straight = without_header_rounding(affine)
    assert (shear(straight) < 1e-12) == (part < 1)


def test_a_tilted_series_is_named_with_its_remedy(tmp_path):
    for file in write_series(tmp_path, NOISE, turned("LPS", spacing=(5, 5, 5))):
        piece = pydicom.dcmread(file)
        x, y, z = map(float, piece.ImagePositionPatient)
        piece.ImagePositionPatient = [x, f"{y + np.tan(np.radians(15)) * z:.6f}", z]
        piece.save_as(file)
    facts = inspect_case({"image": str(tmp_path)})
    assert facts.problems == []
    line = f"{tmp_path}: its axes are sheared (gantry tilt); resample it onto a grid with right angles"
    assert shear_problems(facts) == [line]
    assert with_shear_problems(facts).problems == [line]
