"""Equal weights from equal seeds."""

import torch
from monai.utils import set_determinism


def set_seed(seed: int, deterministic: bool = True) -> None:
    """Seed the network's initial weights; with `deterministic`, cuDNN computes the same values every time."""
    set_determinism(seed=seed)
    if not deterministic:
        torch.backends.cudnn.deterministic = False
        torch.backends.cudnn.benchmark = True
