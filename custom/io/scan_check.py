"""What can be no scan is refused wherever one is read: in the check of the data, in training and in inference alike."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from nibabel.affines import voxel_sizes

from ..errors import InputError


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Read a file; whatever fails becomes an InputError of one line that names it."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{file}: does not exist; restore it or take it out of the data list") from error
    except PermissionError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); correct its permissions") from error
    except MemoryError as error:
        raise InputError(f"{file}: needs more memory than there is; correct its header, or crop it") from error
    except Exception as error:  # a damaged header or stream fails in nibabel, zlib, struct or numpy alike
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{file}: cannot be read ({reason}); copy or export it again") from error


def refuse_unusable(file: str, shape: Sequence[int], dtype: np.dtype, affine: np.ndarray) -> None:
    """Refuse what is not one 3D volume of numbers on a grid.

    Args:
        file: names it.
        shape: without axes of channels or time that have one entry.
        dtype: of its voxels.
        affine: 4 x 4, mm.

    Raises InputError: says what is wrong and what to do.
    """
    if 0 in shape and len(shape) >= 3:
        raise InputError(f"{file}: has shape {shape_text(shape)}, no voxels; export it again")
    if len(shape) != 3 or 0 in shape:
        remedy = "3D is needed: save the whole volume as one file"
        if len(shape) > 3:
            remedy = "3D is needed: save one file for each channel or time point"
        raise InputError(f"{file}: has shape {shape_text(shape)}, {len(shape)}D; {remedy}")
    if dtype.kind not in "biuf":
        raise InputError(f"{file}: voxels are of type {dtype}, not numbers; save it as one grey channel")
    if not is_grid(affine):
        raise InputError(f"{file}: affine {affine_text(affine)} is not invertible; set its spacing and orientation")


def is_grid(affine: np.ndarray) -> bool:
    """Finite, and the three axes span a volume."""
    finite = np.isfinite(affine).all()
    return bool(finite and abs(np.linalg.det(affine[:3, :3])) > 1e-6 * voxel_sizes(affine).prod() > 0)


def shape_text(shape: Sequence[int]) -> str:
    """A shape as people write it: 512 x 512 x 90."""
    return " x ".join(str(int(size)) for size in shape)


def affine_text(affine: np.ndarray, digits: int = 6) -> str:
    """The three rows of an affine that matter, in one line."""
    return "[" + "; ".join(" ".join(f"{value:.{digits}g}" for value in row) for row in affine[:3]) + "]"
