"""Label maps in every format, whole, on the scan's grid."""

from contextlib import contextmanager

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImaged, SaveImaged

from custom.errors import InputError, find_input_error, input_error_message
from custom.io import LabelFolder, LabelWriter, ScanReader
from custom.workflows.disk_errors import disk_trouble

from .scan_files import read_scan_file, turned

AFFINE = turned("PIR", (10, -20, 30), (0.7, 0.9, 2.5))
ENDINGS = ("nii.gz", "nii", "mha", "nrrd")


def save(folder, name, labels):
    saver = SaveImaged(
        "pred",
        folder_layout=LabelFolder(folder),
        resample=False,
        output_dtype=torch.uint8,
        writer=LabelWriter,
        output_name_formatter=lambda *_: {"subject": name},
        print_log=False,
    )
    pred = MetaTensor(torch.as_tensor(labels)[None], affine=AFFINE, meta={"filename_or_obj": "scan"})
    Compose([saver])({"pred": pred})


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


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, ending):
    file = tmp_path / f"a.{ending}"
    file.write_text("old")

    def interrupted(_image, path, **_):
        with open(path, "w") as half:  # noqa: PTH123 - as the libraries do
            half.write("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(sitk, "WriteImage", interrupted)
    monkeypatch.setattr(nib, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, file.name, np.zeros((4, 5, 6)))
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@contextmanager
def no_file_above(size):
    """Let the system refuse larger files, as a quota does."""
    resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_the_system_refuses_is_one_line(tmp_path, ending):
    """Through MONAI's transforms, which keep but the text of what a writer raises."""
    file = tmp_path / f"a.{ending}"
    noise = np.random.default_rng(0).integers(0, 4, (60, 60, 60))
    with pytest.raises(Exception) as error, no_file_above(20000):
        save(tmp_path, file.name, noise)
    line = input_error_message(find_input_error(error.value))
    reason = "failed to write to file" if ending == "nrrd" else "File too large"
    assert line.startswith(f"{file} cannot be written (")
    assert line.endswith(f"{reason}): free space or pass another --output_dir")
    assert "\n" not in line
    assert str(disk_trouble(error.value)).startswith(line.partition(": free")[0]), "which no case is blamed for"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "labels").touch()
    with pytest.raises(InputError, match=r"labels/a.nii.gz cannot be written \(.+\): pass another --output_dir"):
        LabelWriter(output_dtype=np.uint8).write(tmp_path / "labels" / "a.nii.gz")


FORMS = ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d", "qoffset_x")


def both_forms(image):
    elsewhere = AFFINE.copy()
    elsewhere[:3, 3] += 30
    image.set_sform(AFFINE, 2)
    image.set_qform(elsewhere, 1)


def qform_alone(image):
    image.set_sform(None, 0)
    image.set_qform(AFFINE, 1)


def neither(image):
    image.set_sform(None, 0)
    image.set_qform(None, 0)


def metres(image):
    image.set_sform(np.diag([0.001, 0.001, 0.001, 1]) @ AFFINE, 1)
    image.set_qform(np.diag([0.001, 0.001, 0.001, 1]) @ AFFINE, 1)
    image.header.set_xyzt_units("meter")


@pytest.mark.parametrize("change", [both_forms, qform_alone, neither, metres])
def test_label_map_and_scan_lie_at_one_place_for_every_reader(tmp_path, change):
    """ITK and nibabel choose differently between the forms: only equal headers satisfy both."""
    scan = nib.Nifti1Image(np.random.default_rng(0).random((4, 5, 6), dtype=np.float32), AFFINE)
    change(scan)
    nib.save(scan, tmp_path / "scan.nii.gz")
    load = LoadImaged("pred", reader=ScanReader, ensure_channel_first=True)
    data = load({"pred": str(tmp_path / "scan.nii.gz")})
    saver = SaveImaged(
        "pred",
        folder_layout=LabelFolder(tmp_path),
        resample=False,
        output_dtype=torch.uint8,
        writer=LabelWriter,
        output_name_formatter=lambda *_: {"subject": "label.nii.gz"},
        print_log=False,
    )
    saver({"pred": data["pred"] * 3})
    label = nib.load(tmp_path / "label.nii.gz")
    assert label.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(label.dataobj), (np.asarray(scan.dataobj) * 3).astype(np.uint8))
    assert all(np.array_equal(label.header[field], scan.header[field]) for field in (*FORMS, "pixdim", "xyzt_units"))
    for_itk, of_label = (sitk.ReadImage(str(tmp_path / name)) for name in ("scan.nii.gz", "label.nii.gz"))
    assert for_itk.GetOrigin() == of_label.GetOrigin()
    assert for_itk.GetDirection() == of_label.GetDirection()
    assert for_itk.GetSpacing() == of_label.GetSpacing()
