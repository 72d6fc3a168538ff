"""The measured norms are those of the terms, and measuring does not disturb the training."""

import pytest
import torch

from custom.engines.gradient_norms import GradientNorms, balancing_weight, gradient_norm


def test_norm_by_hand():
    parameter = torch.tensor([3.0, 4.0], requires_grad=True)
    assert gradient_norm((parameter**2).sum(), [parameter]) == pytest.approx(10)


def test_a_term_without_the_parameters_has_norm_zero():
    parameter, other = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    assert gradient_norm(other.sum(), [parameter]) == 0


def test_once_an_epoch_and_without_trace_in_the_weights(training):
    seen = []

    class Terms:
        """Stands for JointLoss: one term that depends on the weights."""

        def __init__(self, network):
            self.network = network

        @property
        def terms(self):
            seen.append(1)
            return {"decay": (self.network.weight**2).sum()}

    def handlers(parts):
        return [GradientNorms(Terms(parts.network), list(parts.network.parameters()))]

    measured, plain = training(3, handlers), training(3)
    measured.trainer.run()
    plain.trainer.run()
    assert len(seen) == 3
    assert torch.equal(measured.network.weight, plain.network.weight)
    assert set(measured.trainer.state.gradient_norms) == {"decay"}


class TwoTerms:
    """Stands for JointLoss: the second term's gradient is a hundredth of the first's."""

    balanced = ["boundary_aware"]

    def __init__(self, network):
        self.network = network
        self.weights = {"boundary_aware": 1.0}
        self.seen = []

    @property
    def terms(self):
        square = (self.network.weight**2).sum()
        return {"segmentation": square, "boundary_aware": 0.01 * square}

    def total(self):
        self.seen.append(self.weights["boundary_aware"])
        return self.terms["segmentation"] + self.weights["boundary_aware"] * self.terms["boundary_aware"]


def test_balanced_terms_pull_equally_in_every_step(training):
    losses = []

    def handlers(parts):
        losses.append(TwoTerms(parts.network))
        return [GradientNorms(losses[0], [parts.network.weight])]

    parts = training(2, handlers)
    start = float(parts.network.weight.detach())
    parts.trainer.run()
    assert losses[0].seen == pytest.approx([100] * 4), "two epochs of two steps"
    # the loss that is minimised is the new sum: w <- w - rate * 4 w, whatever the trainer's own loss says
    assert abs(float(parts.network.weight.detach())) < abs(start)
    assert parts.trainer.state.gradient_norms["boundary_aware"] == pytest.approx(
        parts.trainer.state.gradient_norms["segmentation"] / 100
    )


@pytest.mark.parametrize(
    ("norms", "weight"), [((0.5, 0.01), 50), ((1, 1e-9), 1000), ((1, 0), 1000), ((0, 0.1), 0), ((float("inf"), 1), 1)]
)
def test_balancing_weight(norms, weight):
    assert balancing_weight(*norms) == pytest.approx(weight)


def test_a_scale_does_not_change_the_norm():
    parameter = torch.tensor([3.0, 4.0], requires_grad=True)
    assert gradient_norm((parameter**2).sum(), [parameter], 2.0**16) == pytest.approx(10)
