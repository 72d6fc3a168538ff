"""Scans of known voxels and geometry in every format, written by the formats' own libraries."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

LPS = np.diag([-1.0, -1, 1, 1])


def turned(codes="RAS", degrees=(0, 0, 0), spacing=(1.0, 1.0, 1.0), origin=(11.25, -7.5, 3.125)):
    """An affine (RAS, mm) with axes along `codes`, then turned about x, y and z."""
    affine = np.eye(4)
    affine[:3, :3] = rotation(degrees) @ axes(codes) @ np.diag(spacing)
    affine[:3, 3] = origin
    return affine


def axes(codes):
    """Directions of the voxel axes as columns."""
    directions = {"R": (1, 0, 0), "L": (-1, 0, 0), "A": (0, 1, 0), "P": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
    return np.array([directions[code] for code in codes], float).T


def rotation(degrees):
    x, y, z = np.radians(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def write_scan(file: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    """Write voxels (x, y, z) as the file's ending says."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.name.endswith((".nii", ".nii.gz")):
        nib.save(nib.Nifti1Image(voxels, affine), file)
        return file
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    lps = LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    sitk.WriteImage(image, str(file))
    return file


def read_scan_file(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (x, y, z) and affine (RAS, mm)."""
    if file.name.endswith((".nii", ".nii.gz")):
        image = nib.load(file)
        return np.asarray(image.dataobj), image.affine
    image = sitk.ReadImage(str(file))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) @ np.diag(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).T, LPS @ affine


def write_series(
    folder: Path,
    voxels: np.ndarray,
    affine: np.ndarray,
    slope=1.0,
    intercept=0.0,
    names="{:03d}.dcm",
    uid=None,
    number=1,
    description="",
    skip=(),
    seed=0,
    **tags,
) -> list[Path]:
    """Write voxels (column, row, slice) of a CT, whole numbers, as one file per slice under shuffled names.

    The affine has a third axis along the normal of the first two.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lps = LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    uid = uid or generate_uid()
    study, frame = generate_uid(), generate_uid()
    order = np.random.default_rng(seed).permutation(voxels.shape[2])
    files = []
    for index, place in enumerate(order):
        if place in skip:
            continue
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file = folder / names.format(index)
        slice_ = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
        slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        slice_.StudyInstanceUID, slice_.SeriesInstanceUID, slice_.FrameOfReferenceUID = study, uid, frame
        slice_.PatientID, slice_.PatientName, slice_.PatientBirthDate, slice_.PatientSex = "p1", "Phantom", "", "O"
        slice_.StudyDate, slice_.StudyTime, slice_.StudyID, slice_.AccessionNumber = "20240101", "120000", "1", "1"
        slice_.ReferringPhysicianName, slice_.PositionReferenceIndicator = "", ""
        slice_.Modality, slice_.SeriesNumber, slice_.SeriesDescription = "CT", number, description
        slice_.InstanceNumber = int(index) + 1
        slice_.ImageOrientationPatient = [f"{value:.10g}" for value in (lps[:3, :2] / spacing[:2]).T.ravel()]
        slice_.ImagePositionPatient = [f"{value:.10g}" for value in lps[:3, 3] + place * lps[:3, 2]]
        slice_.PixelSpacing = [f"{spacing[1]:.10g}", f"{spacing[0]:.10g}"]
        slice_.SliceThickness = f"{spacing[2]:.10g}"
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.Rows, slice_.Columns = voxels.shape[1], voxels.shape[0]
        slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 16, 15, 1
        slice_.RescaleSlope, slice_.RescaleIntercept = str(slope), str(intercept)
        slice_.PixelData = np.ascontiguousarray(voxels[:, :, place].T).astype("<i2").tobytes()
        for tag, value in tags.items():
            setattr(slice_, tag, value)
        pydicom.dcmwrite(file, slice_, enforce_file_format=True)
        files.append(file)
    return files
