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
