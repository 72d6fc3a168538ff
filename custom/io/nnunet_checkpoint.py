"""nnU-Net's checkpoints read as data alone."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from .torch_file import load_mapping

NUMBERS = (np.float16, np.float32, np.float64, np.uint8, np.int32, np.int64, np.bool_)
NEEDED = ("network_weights", "init_args", "current_epoch")


def read_checkpoint(file: Path) -> dict[str, Any]:
    """A checkpoint of nnU-Net v2: tensors, settings, and NumPy's numbers in its log; no code of the file is run.

    Raises InputError: it cannot be read, or is no such checkpoint.
    """
    core: Any = np._core if hasattr(np, "_core") else np.core
    scalar = core.multiarray.scalar  # makes a number again; files of NumPy 1 and 2 name it differently
    allowed = [(scalar, f"numpy.{part}.multiarray.scalar") for part in ("core", "_core")]
    with torch.serialization.safe_globals([*allowed, np.dtype, *(type(np.dtype(one)) for one in NUMBERS)]):
        content = load_mapping(file, "pass --model_dir with nnU-Net's fold_0, or another --fold or --checkpoint")
    missing = [key for key in NEEDED if key not in content]
    if missing:
        raise InputError(f"{file} has no {missing[0]}: it is no checkpoint of nnU-Net v2; pass another --checkpoint")
    return content
