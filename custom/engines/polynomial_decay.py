"""nnU-Net's learning-rate schedule."""

from collections.abc import Callable

POWER = 0.9


def polynomial_decay(epochs: int) -> Callable[[int], float]:
    """The factor (1 - epoch / epochs)^0.9 of the initial learning rate, for `torch.optim.lr_scheduler.LambdaLR`.

    `PolynomialLR` multiplies factor by factor and keeps its number of epochs in its state, so a training resumed with
    more epochs would stay at a learning rate of 0. The paper's "decay of 0.00001 every epoch" is this schedule as
    nnU-Net's log prints it.
    """

    def factor(epoch: int) -> float:
        return max(0.0, 1 - epoch / epochs) ** POWER

    return factor
