"""Weights of deep supervision."""


def supervision_weights(scales: int) -> list[float]:
    """nnU-Net's weights of the scales of logits, finest first: 1/2^i, the coarsest 0, their sum 1.

    MONAI's own "exp" weights are not normalised and keep the coarsest scale. A single scale has weight 1.

    >>> [round(weight, 3) for weight in supervision_weights(5)]
    [0.533, 0.267, 0.133, 0.067, 0.0]
    """
    if scales == 1:
        return [1.0]
    halves = [0.5**scale for scale in range(scales - 1)]
    return [half / sum(halves) for half in halves] + [0.0]
