"""The measured norms are those of the terms, and measuring does not disturb the training."""

import pytest
import torch

from custom.engines.gradient_norms import GradientNorms, gradient_norm


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
