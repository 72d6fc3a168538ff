"""Label maps in the format of their scans, that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike
from monai.data import FolderLayoutBase, NibabelWriter
from monai.utils import convert_data_type, get_equivalent_dtype

from ..geometry.file_affine import file_affine
from .atomic_write import replacing
from .image_formats import is_itk
from .itk_image import write_itk_image
from .write_errors import reporting_unwritable


class LabelWriter(NibabelWriter):
    """NIfTI, MetaImage and NRRD by the file's ending, for `SaveImaged(writer=...)`."""

    def set_data_array(self, data_array: Any, *args: Any, **kwargs: Any) -> None:
        """Take a volume with a channel axis; MONAI would drop the last axis of a scan of one slice."""
        super().set_data_array(data_array, *args, **kwargs)
        while self.data_obj.ndim < 3:
            self.data_obj = self.data_obj[..., None]

    def set_metadata(self, meta_dict: Any, *args: Any, **kwargs: Any) -> None:
        """Take the geometry: the very affine of the scan's file where the label map lies on its grid."""
        super().set_metadata(meta_dict, *args, **kwargs)
        self.affine = file_affine(self.affine, meta_dict)

    def write(self, filename: PathLike, verbose: bool = False, **kwargs: Any) -> None:
        """Write to a temporary file in the folder of `filename`, then rename it.

        Raises:
            InputError: it cannot be written.
        """
        with reporting_unwritable(filename), replacing(str(filename)) as temporary:
            if not is_itk(str(filename)):
                super().write(temporary, verbose=verbose, **kwargs)
                return
            voxels, affine = (convert_data_type(value, np.ndarray)[0] for value in (self.data_obj, self.affine))
            write_itk_image(temporary, voxels.astype(get_equivalent_dtype(self.output_dtype, np.ndarray)), affine)


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
