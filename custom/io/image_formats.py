"""The file formats a scan may be stored in, and the one its label map is written in."""

from pathlib import Path

NIFTI_ENDINGS = (".nii.gz", ".nii")
META_IMAGE_ENDINGS, NRRD_ENDINGS = (".mha", ".mhd"), (".nrrd", ".nhdr")
ITK_ENDINGS = META_IMAGE_ENDINGS + NRRD_ENDINGS
SCAN_ENDINGS = NIFTI_ENDINGS + ITK_ENDINGS
# formats of scans that are not read, and 3D Slicer's segmentations, which end as scans do
SEGMENTATION_ENDINGS = (".seg.nrrd", ".seg.nhdr")
OTHER_ENDINGS = (".hdr", ".img", ".img.gz", ".mgh", ".mgz", ".mnc", ".gipl", ".gipl.gz", ".vtk", ".nii.bz2", ".nii.xz",
                 ".nii.zst", *SEGMENTATION_ENDINGS)  # fmt: skip
ONE_FILE_ENDINGS = {".mhd": ".mha", ".nhdr": ".nrrd"}  # a header apart from its voxels cannot be replaced in one step


def ending_of(file: str | Path) -> str:
    """The ending of a scan's file, as it is written, or "" where it is none of `SCAN_ENDINGS`."""
    name = Path(file).name
    return next((name[-len(ending) :] for ending in SCAN_ENDINGS if name.lower().endswith(ending)), "")


def is_nifti(file: str | Path) -> bool:
    """Whether a file is NIfTI by its name."""
    return ending_of(file).lower() in NIFTI_ENDINGS


def is_itk(file: str | Path) -> bool:
    """Whether a file is MetaImage or NRRD by its name."""
    return ending_of(file).lower() in ITK_ENDINGS


def scan_name(file: str | Path) -> str:
    """The file name without folder and without the ending of a scan."""
    return Path(file).name.removesuffix(ending_of(file))


def label_ending(scan: str | Path) -> str:
    """The ending of a scan's label map: its own, .mha for .mhd, .nrrd for .nhdr, .nii.gz for a DICOM series.

    In lower case: ITK writes nothing else.
    """
    ending = ending_of(scan).lower()
    return ONE_FILE_ENDINGS.get(ending, ending) or NIFTI_ENDINGS[0]


def has_mixed_case(file: str | Path) -> bool:
    """Whether a file's ending is one that nibabel looks for under another name, such as .Nii.gz."""
    return is_nifti(file) and any(part not in (part.lower(), part.upper()) for part in ending_of(file).split("."))
