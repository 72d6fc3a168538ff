"""The network on the whole batch, in mixed precision also on CPUs that compute in it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from monai.inferers import SimpleInferer


class DirectInferer(SimpleInferer):
    """`monai.inferers.SimpleInferer` under autocast; MONAI's engines know mixed precision on CUDA only.

    With `autocast` None it computes as the engine does.
    """

    def __init__(self, autocast: torch.dtype | None = None) -> None:
        super().__init__()
        self.autocast = autocast

    def __call__(self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The network's output for `inputs` (batch, channels, *spatial)."""
        with autocast_on(inputs.device, self.autocast):
            return network(inputs, *args, **kwargs)


def autocast_on(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager:
    """Autocast to `dtype` on a device; with None, whatever is in force already."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)
