"""Label maps in every format, whole, on the scan's grid."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from monai.transforms import SaveImage

from custom.data import LabelFolder, LabelWriter

from .scan_files import read_scan_file, turned

AFFINE = turned("PIR", (10, -20, 30), (0.7, 0.9, 2.5))
ENDINGS = ("nii.gz", "nii", "mha", "nrrd")


def save(folder, name, labels):
    SaveImage(
        folder_layout=LabelFolder(folder),
        resample=False,
        output_dtype=torch.uint8,
        writer=LabelWriter,
        output_name_formatter=lambda *_: {"subject": name},
        print_log=False,
    )(MetaTensor(torch.as_tensor(labels)[None], affine=AFFINE, meta={"filename_or_obj": "scan"}))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 1), (4, 1, 1)])
def test_voxels_type_and_grid(tmp_path, ending, shape):
    labels = np.random.default_rng(0).integers(0, 4, shape).astype(np.float32)
    save(tmp_path / "new", f"a.{ending}", labels)
    (file,) = (tmp_path / "new").iterdir()
    assert file.name == f"a.{ending}"
    found, affine = read_scan_file(file)
    assert found.dtype == np.uint8
    assert found.shape == shape
    assert np.array_equal(found, labels)
    assert np.allclose(affine, AFFINE, rtol=0, atol=1e-6 if "nii" in ending else 1e-14)


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, ending):
    file = tmp_path / f"a.{ending}"
    file.write_text("old")

    def interrupted(_image, path, **_):
        with open(path, "w") as half:  # noqa: PTH123 - as ITK does
            half.write("half")
        raise RuntimeError("no space left on device")

    monkeypatch.setattr(sitk, "WriteImage", interrupted)
    with pytest.raises(RuntimeError, match="no space left"):
        save(tmp_path, file.name, np.zeros((4, 5, 6)))
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
