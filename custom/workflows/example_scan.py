"""A small scan to try a model on, from a package that ships it: the MNI152 T1 template around a hippocampus."""

import logging
from pathlib import Path

import nibabel as nib
import numpy as np

from ..errors import InputError
from ..io.atomic_write import replacing
from ..io.optional_package import needed_package
from ..io.write_errors import reporting_unwritable

logger = logging.getLogger(__name__)

# of the left hippocampus in MNI152 (mm, RAS), and about the extent of a scan of the Decathlon's Task04
CENTRE_MM, EXTENT_MM = (-27.0, -22.0, -10.0), (34.0, 46.0, 32.0)


def example_scan(output: str | Path) -> None:
    """Write a crop of the MNI152 T1 template around the left hippocampus, an average of 152 healthy brains.

    The package nilearn ships the template (ICBM 152, 2009a, symmetric), which the McConnell Brain Imaging Centre lets
    anyone use, copy, change and pass on without fee, with its copyright notice: Fonov et al., NeuroImage 54, 2011.

    Args:
        output: the scan, a name that ends with .nii.gz.

    Raises:
        InputError: nilearn is missing, the name has another ending, or the file cannot be written.
    """
    if not str(output).endswith((".nii", ".nii.gz")):
        raise InputError(f"--output {output}: give a file whose name ends with .nii.gz")
    datasets = needed_package("nilearn.datasets", "nilearn", "the example scan")
    template = datasets.load_mni152_template(resolution=1)
    box = cropped(template, CENTRE_MM, EXTENT_MM)
    image = nib.Nifti1Image(np.round(np.asarray(box.dataobj, dtype=np.float32) * 1000).astype(np.int16), box.affine)
    image.header.set_xyzt_units("mm")
    with reporting_unwritable(output, "pass another --output"):
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        with replacing(output) as temporary:
            nib.save(image, temporary)
    logger.info("%s: the MNI152 T1 template around the left hippocampus", output)


def cropped(image: nib.Nifti1Image, centre_mm: tuple[float, ...], extent_mm: tuple[float, ...]) -> nib.Nifti1Image:
    """The box (mm) around a point of a volume whose axes lie along R, A and S, up to their signs."""
    centre = nib.affines.apply_affine(np.linalg.inv(image.affine), centre_mm)
    half = np.divide(extent_mm, nib.affines.voxel_sizes(image.affine)) / 2
    first = np.maximum(np.round(centre - half).astype(int), 0)
    last = np.minimum(np.round(centre + half).astype(int), image.shape)
    if (first >= last).any():
        raise InputError(f"the box around {centre_mm} mm lies outside the template of this nilearn")
    box: nib.Nifti1Image = image.slicer[tuple(map(slice, first, last))]
    return box
