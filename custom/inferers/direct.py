"""The network on the whole batch, in mixed precision also on CPUs that compute in it."""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import SimpleInferer

from .checked_autocast import CheckedAutocast


class DirectInferer(SimpleInferer):
    """`monai.inferers.SimpleInferer` under autocast; MONAI's engines know mixed precision on CUDA only.

    With `autocast` None it computes as the engine does.
    """

    def __init__(self, autocast: torch.dtype | None = None) -> None:
        super().__init__()
        self.autocast = CheckedAutocast(autocast)

    def __call__(self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The network's output for `inputs` (batch, channels, *spatial)."""
        with self.autocast(network, inputs.device):
            return network(inputs, *args, **kwargs)
