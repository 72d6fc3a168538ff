"""A predicted mask with the type that a classifier gives the whole scan."""

from collections.abc import Callable, Sequence

import torch
from monai.inferers import Inferer

from .checked_autocast import CheckedAutocast
from .sliding_window import finite, mirrored_mean, pad_to_window


class TypedMaskInferer(Inferer):
    """Second stage of a two-stage pipeline: the likeliest type of the scan is written onto its mask.

    Args:
        volume_size: scans are padded with 0 to at least these voxels, as in training.
        with_mask: the network sees the mask as a last channel.
        mirror_axes: spatial axes to mirror; logits are averaged over all 2^n combinations. None or empty: no mirroring.
        autocast: precision of the network, as in `DirectInferer`.
    """

    def __init__(
        self,
        volume_size: Sequence[int],
        with_mask: bool,
        mirror_axes: Sequence[int] | None = None,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.volume_size = tuple(volume_size)
        self.with_mask = with_mask
        self.mirror_axes = tuple(mirror_axes or ())
        self.autocast = CheckedAutocast(autocast)

    @torch.no_grad()
    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[[torch.Tensor], torch.Tensor],
        mask: torch.Tensor,
        seen_mask: torch.Tensor,
    ) -> torch.Tensor:
        """Label map like `mask`, uint8.

        Args:
            inputs: one scan (1, channels, *sizes) as the network takes it.
            network: answers with logits (1, types).
            mask: predicted, on the scan's own grid (1, 1, *grid).
            seen_mask: the same on the grid of `inputs`.

        Raises InputError: the network's output is not finite.
        """
        scan = torch.cat([inputs, (seen_mask > 0).to(inputs)], dim=1) if self.with_mask else inputs
        padded, _ = pad_to_window(torch.as_tensor(scan), self.volume_size)
        with self.autocast(network, padded.device):
            # of no size, so that mirroring back changes nothing
            logits = finite(
                mirrored_mean(lambda image: network(image)[..., None, None, None], padded, self.mirror_axes)
            )
        return ((mask > 0) * (1 + logits.flatten().argmax())).to(torch.uint8)
