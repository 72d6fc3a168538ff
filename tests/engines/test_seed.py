"""Equal seeds give equal initial weights."""

import torch
from ignite.engine import Events

from custom.engines import EpochSeed, set_seed


def test_equal_seeds_equal_weights():
    weights = []
    for seed in (3, 3, 4):
        set_seed(seed)
        weights.append(torch.nn.Linear(4, 4).weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_speed_instead_of_determinism():
    set_seed(0, deterministic=False)
    assert torch.backends.cudnn.benchmark
    set_seed(0)
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark


def test_an_epoch_draws_what_it_draws_after_any_other(training):
    """So that a training with dropout resumes exactly; each process and each seed draws other numbers."""

    def drawn(seed, start=0):
        numbers = {}

        def handlers(_):
            return [EpochSeed(seed)]

        trainer = training(3, handlers).trainer

        @trainer.on(Events.STARTED)
        def resumed(engine):
            engine.state.epoch, engine.state.iteration = start, start * engine.state.epoch_length
            torch.rand(5)

        @trainer.on(Events.ITERATION_STARTED)
        def draw(engine):
            numbers[engine.state.iteration] = torch.rand(1).item()

        trainer.run()
        return numbers

    whole, resumed = drawn(0), drawn(0, start=2)
    assert resumed == {number: value for number, value in whole.items() if number in resumed}
    assert len(set(whole.values()) | set(drawn(1).values())) == 2 * len(whole)
