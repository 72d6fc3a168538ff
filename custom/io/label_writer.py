"""Label maps in the format of their scans, that appear whole or not at all."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.config import PathLike
from monai.data import FolderLayoutBase, NibabelWriter
from monai.utils import ImageMetaKey, convert_data_type, get_equivalent_dtype

from ..geometry.file_affine import STORED_AFFINE, file_affine
from .atomic_write import replacing
from .image_formats import is_itk
from .itk_image import write_itk_image
from .nifti_header import label_header
from .write_errors import reporting_unwritable


class LabelWriter(NibabelWriter):
    """NIfTI, MetaImage and NRRD by the file's ending, for `SaveImaged(writer=...)`."""

    scan = ""  # whose grid the label map lies on

    def set_data_array(self, data_array: Any, *args: Any, **kwargs: Any) -> None:
        """Take a volume with a channel axis; MONAI would drop the last axis of a scan of one slice."""
        super().set_data_array(data_array, *args, **kwargs)
        while self.data_obj.ndim < 3:
            self.data_obj = self.data_obj[..., None]

    def set_metadata(self, meta_dict: Any, *args: Any, **kwargs: Any) -> None:
        """Take the geometry: that of the scan's file, to the bit, where the label map lies on its grid."""
        super().set_metadata(meta_dict, *args, **kwargs)
        self.affine = file_affine(self.affine, meta_dict)
        lies_on_scan = np.array_equal(self.affine, (meta_dict or {}).get(STORED_AFFINE, np.nan))
        self.scan = str(meta_dict[ImageMetaKey.FILENAME_OR_OBJ]) if lies_on_scan else ""

    def write(self, filename: PathLike, verbose: bool = False, **kwargs: Any) -> None:
        """Write to a temporary file in the folder of `filename`, then rename it.

        Raises InputError: it cannot be written.
        """
        with reporting_unwritable(filename), replacing(str(filename)) as temporary:
            voxels, affine = (convert_data_type(value, np.ndarray)[0] for value in (self.data_obj, self.affine))
            voxels = voxels.astype(get_equivalent_dtype(self.output_dtype, np.ndarray))
            if is_itk(str(filename)):
                write_itk_image(temporary, voxels, affine)
            elif header := label_header(self.scan, voxels.shape):
                header.set_data_dtype(voxels.dtype)
                nib.save(nib.Nifti1Image(voxels, None, header), temporary)
            else:
                super().write(temporary, verbose=verbose, **kwargs)


class LabelFolder(FolderLayoutBase):
    """Files under the very names that a formatter gives them, for `SaveImaged(folder_layout=...)`.

    MONAI's own layout gives every file one ending.

    Args:
        output_dir: the folder.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.output_dir = Path(output_dir)

    def filename(self, subject: str = "", **_: Any) -> str:
        """The path of the file called `subject`; the folder is made as needed."""
        self.output_dir.mkdir(parents=True, exist_ok=True)
        return str(self.output_dir / subject)
