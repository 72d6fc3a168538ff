"""Validations at the interval and after the last epoch; early stops."""

import pytest

from custom.engines import StopAfterEpoch, ValidateAtInterval


@pytest.mark.parametrize(("interval", "epochs"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (5, [5]), (50, [5])])
def test_interval_and_last_epoch(training, interval, epochs):
    validated = []

    def handlers(parts):
        parts.evaluator.run = validated.append
        return [ValidateAtInterval(interval, parts.evaluator)]

    training(5, handlers).trainer.run()
    assert validated == epochs


@pytest.mark.parametrize(("stop", "last"), [(2, 2), (0, 4), (None, 4)])
def test_stop(training, stop, last):
    parts = training(4, lambda _: [StopAfterEpoch(stop)])
    parts.trainer.run()
    assert parts.trainer.state.epoch == last


def test_a_training_resumed_at_its_stop_ends_at_once(training):
    """As a cluster does that begins a job again."""
    begun = []

    parts = training(4, lambda _: [StopAfterEpoch(2)])
    parts.trainer.add_event_handler("ITERATION_COMPLETED", lambda engine: begun.append(engine.state.iteration))
    parts.trainer.add_event_handler("STARTED", resumed_at_2)
    parts.trainer.run()
    assert begun == []
    assert parts.trainer.state.epoch == 2


def resumed_at_2(engine):
    """As `TrainingCheckpoint` resumes."""
    engine.state.epoch, engine.state.iteration = 2, 4
