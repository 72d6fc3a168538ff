"""Learning from labels in which some classes are not annotated."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn

from ..errors import InputError

NO_LOGIT = -1e4  # of which the softmax is exactly 0, in half precision too
BACKGROUND, MARGINAL, NO_GRADIENT = "background", "marginal", "no_gradient"
UNANNOTATED = (BACKGROUND, MARGINAL, NO_GRADIENT)


class PartialLabelLoss(nn.Module):
    """A segmentation loss that knows which classes are annotated in each case of the batch.

    The last forward's loss, still in the graph, is in `terms` ("segmentation"), as in `JointLoss`.

    Args:
        segmentation: loss of the logits, or of the list of native-scale logits, against the label; usually
            `monai.losses.DeepSupervisionLoss` around `IgnoringDiceCELoss`.
        unannotated: "background" takes a case's unannotated classes as background, as if its label were complete. The
            others sum their probabilities into background (`merge_unannotated`): "marginal" is the marginal loss (Shi
            et al., Medical Image Analysis 2021), whose gradient teaches an unannotated class where it cannot be, in
            the voxels of annotated ones; "no_gradient" detaches them, so that they learn nothing from the case. Their
            Dice is then a constant that stays in the mean: an annotated class weighs the same in every case.
    """

    def __init__(
        self, segmentation: nn.Module, unannotated: Literal["background", "marginal", "no_gradient"] = "background"
    ) -> None:
        super().__init__()
        if unannotated not in UNANNOTATED:
            raise InputError(f"PartialLabelLoss: unannotated is {unannotated!r}; use one of {', '.join(UNANNOTATED)}")
        self.segmentation = segmentation
        self.unannotated = unannotated
        self.terms: dict[str, torch.Tensor] = {}

    def forward(
        self, prediction: torch.Tensor | Sequence[torch.Tensor], target: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """The loss, a scalar.

        Args:
            prediction: logits (batch, classes, *spatial) or a list of them, finest first.
            target: "label" (batch, 1, *spatial), and "annotated" (batch, classes), true for the annotated classes;
                without it every class is annotated.
        """
        label: torch.Tensor = target["label"]
        merged: Any = prediction
        if self.unannotated != BACKGROUND and "annotated" in target:
            annotated, detached = target["annotated"].bool(), self.unannotated == NO_GRADIENT
            label = merge_unannotated_label(label, annotated)
            if isinstance(prediction, torch.Tensor):
                merged = merge_unannotated(prediction, annotated, detached)
            else:
                merged = [merge_unannotated(logits, annotated, detached) for logits in prediction]
        self.terms = {"segmentation": self.segmentation(merged, label)}
        return self.terms["segmentation"]


def merge_unannotated(logits: torch.Tensor, annotated: torch.Tensor, detached: bool = False) -> torch.Tensor:
    """Logits whose softmax is the original one with the unannotated classes' probabilities summed into background.

    The unannotated classes themselves have probability 0. Their logits share the background's gradient by their part
    of the sum (Shi et al., equation 3), or, `detached`, get one of exactly 0.

    Args:
        logits: (batch, classes, *spatial), background first; returned in float32 or their higher precision.
        annotated: booleans (batch, classes); background counts as annotated. InputError for another shape.
        detached: the unannotated logits are constants.
    """
    if annotated.shape != logits.shape[:2]:
        raise InputError(
            f"merge_unannotated: 'annotated' has shape {tuple(annotated.shape)} for logits of "
            f"{tuple(logits.shape)}; give one boolean per case and class, background included (AnnotatedClassesd)"
        )
    hidden = hidden_classes(annotated).reshape(*logits.shape[:2], *(1 for _ in logits.shape[2:]))
    precise = logits if logits.dtype == torch.float64 else logits.float()
    others = torch.where(hidden, precise.detach() if detached else precise, -torch.inf)
    background = torch.cat((precise[:, :1], others[:, 1:]), dim=1).logsumexp(1, keepdim=True)
    return torch.cat((background, torch.where(hidden, NO_LOGIT, precise)[:, 1:]), dim=1)


def merge_unannotated_label(label: torch.Tensor, annotated: torch.Tensor) -> torch.Tensor:
    """The label (batch, 1, *spatial) with background in place of classes that are not annotated (batch, classes)."""
    ids, highest = label.long(), annotated.shape[1] - 1
    hidden = hidden_classes(annotated).gather(1, ids.clamp(max=highest).flatten(1)).reshape(label.shape)
    return label.masked_fill(hidden & (ids <= highest), 0)  # above lies the ignored value


def hidden_classes(annotated: torch.Tensor) -> torch.Tensor:
    """The unannotated classes (batch, classes); background is none of them."""
    hidden = ~annotated.bool()
    hidden[:, 0] = False
    return hidden
