"""What a training on the CPU frees in every step, kept for the next step instead of given back to the system."""

import ctypes
import sys

import torch

MMAP_MAX, TOP_PAD, TRIM_THRESHOLD = -4, -2, -1  # parameters of glibc's mallopt
LARGEST = 2**31 - 1
ROOM = 64 * 2**20


def keep_freed_memory(device: str | torch.device) -> None:
    """Let glibc keep freed blocks of any size, where the training is on the CPU; elsewhere, or on macOS, do nothing.

    By default it gives large blocks back, and the system fills them with zeros page by page when the next step asks for
    them: an eighth of the time of a step of the hippocampus network (`benchmarks/freed_memory.py`).
    """
    if torch.device(device).type != "cpu" or sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        for parameter, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, LARGEST), (TOP_PAD, ROOM)):
            mallopt(parameter, value)
