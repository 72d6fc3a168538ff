"""The bar counts every iteration of the whole training and goes away."""

from custom.engines import Progress, StopAfterEpoch


def test_one_bar_over_all_epochs(training, capfd):
    bar = Progress("training")
    parts = training(3, lambda _: [bar])
    parts.trainer.run()
    assert bar.bar is None
    shown = capfd.readouterr().err
    assert "training: 100%" in shown
    assert "6/6" in shown


def test_closed_when_stopped_early(training, capfd):
    bar = Progress("training")
    training(3, lambda _: [bar, StopAfterEpoch(1)]).trainer.run()
    assert bar.bar is None
    assert "2/6" in capfd.readouterr().err


def test_an_evaluation_counts_cases(training, capfd):
    evaluator = training().evaluator
    Progress("validation").attach(evaluator)
    evaluator.run()
    shown = capfd.readouterr().err
    assert "2/2" in shown
    assert "case" in shown
