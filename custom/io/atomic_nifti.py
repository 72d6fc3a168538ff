"""NIfTI label maps that appear whole or not at all."""

from __future__ import annotations

from typing import Any

from monai.config import PathLike
from monai.data import NibabelWriter

from .atomic_write import replacing


class AtomicNibabelWriter(NibabelWriter):
    """MONAI's NIfTI writer, for `SaveImaged(writer=...)`: an interrupted run leaves no half-written file."""

    def write(self, filename: PathLike, verbose: bool = False, **kwargs: Any) -> None:
        """Write to a temporary file in the folder of `filename`, then rename it."""
        with replacing(str(filename)) as temporary:
            super().write(temporary, verbose=verbose, **kwargs)
