"""Label maps are written whole, on the scan's grid."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import SaveImage

from custom.io.atomic_nifti import AtomicNibabelWriter

AFFINE = np.array([[-2.0, 0, 0, 5], [0, 3, 0, -4], [0, 0, 4, 1], [0, 0, 0, 1]])


def save(folder):
    label = MetaTensor(torch.ones(1, 3, 4, 5), affine=AFFINE, meta={"filename_or_obj": "scan.nii.gz"})
    SaveImage(
        output_dir=folder,
        output_postfix="",
        separate_folder=False,
        resample=False,
        output_dtype=torch.uint8,
        writer=AtomicNibabelWriter,
        print_log=False,
    )(label)


def test_written_with_its_name_type_and_grid(tmp_path):
    save(tmp_path)
    image = nib.load(tmp_path / "scan.nii.gz")
    assert image.shape == (3, 4, 5)
    assert image.get_data_dtype() == np.uint8
    assert np.array_equal(image.affine, AFFINE)
    assert [file.name for file in tmp_path.iterdir()] == ["scan.nii.gz"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "scan.nii.gz").write_text("old")

    def interrupted(_image, path):
        path = str(path)
        with open(path, "w") as file:  # noqa: PTH123 - as nibabel does
            file.write("half")
        raise OSError("no space left on device")

    monkeypatch.setattr(nib, "save", interrupted)
    with pytest.raises(RuntimeError, match="no space left"):
        save(tmp_path)
    assert (tmp_path / "scan.nii.gz").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["scan.nii.gz"]
