"""DICOM-SEG objects as other DICOM software reads them."""

import logging
import sys

import highdicom
import numpy as np
import pydicom
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import SaveImage

from custom.errors import InputError
from custom.io import LabelFolder, dicom_segmentation_writer, require_dicom_segmentation
from custom.io.dicom_series import series_of, sorted_slices

from .scan_files import LPS, turned, write_series

AFFINE = turned("LPS", (10, -20, 30), (0.7, 0.9, 2.5))
SHAPE = (6, 5, 4)
CLASSES = ["liver", "right kidney", "tumour"]


@pytest.fixture
def series(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 99, SHAPE).astype(np.int16)
    write_series(tmp_path / "ct", voxels, AFFINE, number=7, description="abdomen")
    return tmp_path / "ct"


def labels():
    volume = np.random.default_rng(1).integers(0, 3, SHAPE).astype(np.uint8)  # no tumour
    volume[:, :, 2] = 0
    return volume


def save(scan, volume, folder):
    SaveImage(
        folder_layout=LabelFolder(folder),
        writer=dicom_segmentation_writer(CLASSES),
        output_name_formatter=lambda *_: {"subject": "ct.dcm"},
        print_log=False,
    )(MetaTensor(torch.as_tensor(volume)[None], meta={"filename_or_obj": str(scan)}))
    return sorted(folder.iterdir()) if folder.is_dir() else []


def test_every_voxel_on_its_own_slice(series, tmp_path):
    (file,) = save(series, labels(), tmp_path / "out")
    segmentation = highdicom.seg.segread(file)
    slices = sorted_slices(series_of(series))
    uids = [pydicom.dcmread(piece.file).SOPInstanceUID for piece in slices]
    found = segmentation.get_pixels_by_source_instance(
        uids, combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(found, labels().T)
    assert [segmentation.get_segment_description(number).segment_label for number in (1, 2, 3)] == CLASSES
    assert segmentation.SeriesDescription == "Segmentation of abdomen"
    assert segmentation.SeriesNumber == 1007


def test_description_in_another_character_set(tmp_path):
    about = {"description": "Sch\xe4del", "SpecificCharacterSet": "ISO_IR 100"}
    write_series(tmp_path / "ct", np.zeros(SHAPE, np.int16), AFFINE, **about)
    (file,) = save(tmp_path / "ct", labels(), tmp_path / "out")
    assert highdicom.seg.segread(file).SeriesDescription == "Segmentation of Sch\xe4del"


def test_belongs_to_the_patient_study_and_frame_of_the_series(series, tmp_path):
    (file,) = save(series, labels(), tmp_path / "out")
    segmentation, source = pydicom.dcmread(file), pydicom.dcmread(next(series.iterdir()))
    for tag in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert segmentation[tag].value == source[tag].value
    assert segmentation.SeriesInstanceUID != source.SeriesInstanceUID
    assert segmentation.Modality == "SEG"


def test_every_voxel_lies_where_the_scan_has_it(series, tmp_path):
    (file,) = save(series, labels(), tmp_path / "out")
    volume = highdicom.seg.segread(file).get_volume(combine_segments=True, allow_missing_positions=True)
    to_voxels = np.linalg.inv(LPS @ AFFINE) @ volume.affine
    found = np.zeros(SHAPE, np.uint8)
    for index in np.argwhere(volume.array):
        place = to_voxels @ [*index, 1]
        voxel = np.round(place[:3]).astype(int)
        assert np.allclose(place[:3], voxel, atol=1e-4)
        found[tuple(voxel)] = volume.array[tuple(index)]
    assert np.array_equal(found, labels())


def test_nothing_found_is_an_object_too(series, tmp_path):
    (file,) = save(series, np.zeros(SHAPE, np.uint8), tmp_path / "out")
    assert not pydicom.dcmread(file).pixel_array.any()


def test_files_are_passed_over(tmp_path):
    assert save(tmp_path / "a.nii.gz", labels(), tmp_path / "out") == []


def test_a_series_that_cannot_be_referred_to_is_named(series, tmp_path, caplog):
    for file in series.iterdir():
        slice_ = pydicom.dcmread(file)
        del slice_.StudyInstanceUID
        slice_.save_as(file)
    with caplog.at_level(logging.WARNING):
        assert save(series, labels(), tmp_path / "out") == []
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{series}: no DICOM-SEG can refer to it (")
    assert "StudyInstanceUID" in line


def test_a_missing_package_is_named_before_anything_is_computed(monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    require_dicom_segmentation(False)
    with pytest.raises(InputError, match=r"^--dicom_seg true needs the package highdicom: pip install highdicom$"):
        require_dicom_segmentation(True)
