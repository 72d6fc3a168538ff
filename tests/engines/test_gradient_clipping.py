"""The step never exceeds the learning rate times the largest norm."""

import pytest
import torch
from monai.engines.utils import IterationEvents

from custom.engines import GradientClipping


@pytest.mark.parametrize(("max_norm", "clipped"), [(0.5, True), (1e6, False)])
def test_norm_of_all_gradients_together(training, max_norm, clipped):
    norms = []

    class Record:
        def attach(self, engine):
            engine.add_event_handler(IterationEvents.MODEL_COMPLETED, self)

        def __call__(self, engine):
            norms.append(torch.nn.utils.get_total_norm([p.grad for p in engine.network.parameters()]).item())

    training(1, lambda _: [GradientClipping(max_norm), Record()]).trainer.run()
    assert norms[0] == pytest.approx(max_norm, rel=1e-4) if clipped else norms[0] > 1
