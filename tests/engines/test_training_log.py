"""The training log of real MONAI trainers whose losses are known."""

from __future__ import annotations

import csv
import logging
import math

import matplotlib.image
import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from monai.handlers import LrScheduleHandler, ValidationHandler

from custom.engines import training_log
from custom.engines.training_log import TrainingLog, mean_over_processes, validation_columns
from custom.errors import InputError
from custom.processes import rank

from ..two_processes import in_two_processes


class ScriptedLoss(torch.nn.Module):
    """Gives the listed values one after the other, and half and a tenth of each as terms still in the graph."""

    def __init__(self, values):
        super().__init__()
        self.values = list(values)
        self.terms = {}

    def forward(self, prediction, target):
        value = self.values.pop(0) + 0 * prediction.sum()
        self.terms = {"segmentation": value / 2, "boundary_aware": value / 10}
        return value


def make_trainer(loss, handlers=(), epochs=2, iterations=2, decollate=False):
    network = torch.nn.Conv3d(1, 1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    data = [{"image": torch.ones(2, 1, 2, 2, 2), "label": torch.ones(2, 1, 2, 2, 2)}] * iterations
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=epochs,
        train_data_loader=data,
        network=network,
        optimizer=optimizer,
        loss_function=loss,
        decollate=decollate,
    )
    for handler in handlers:
        handler.attach(trainer)
    return trainer


def make_evaluator(metrics, details=None):
    """An engine that has the listed metrics after its first, second, ... run."""
    evaluator = Engine(lambda engine, batch: None)
    evaluator.runs = 0

    @evaluator.on(Events.EPOCH_COMPLETED)
    def _score(engine):
        engine.state.metrics = metrics[engine.runs]
        engine.state.metric_details = details or {}
        engine.runs += 1

    return evaluator


def validate_every(evaluator, interval):
    handler = ValidationHandler(interval=interval)
    handler.validator = type("Validator", (), {"run": staticmethod(lambda epoch: evaluator.run([0]))})
    return handler


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def column(path, name):
    return [row[name] for row in read(path)]


@pytest.mark.parametrize("decollate", [False, True])
def test_the_loss_and_its_terms_are_means_over_the_epoch(tmp_path, decollate):
    loss = ScriptedLoss([1.0, 3.0, 0.5, 0.25])
    make_trainer(loss, [TrainingLog(tmp_path / "log.csv", loss=loss)], decollate=decollate).run()
    assert column(tmp_path / "log.csv", "epoch") == ["1", "2"]
    assert column(tmp_path / "log.csv", "iterations") == ["2", "4"]
    assert [float(v) for v in column(tmp_path / "log.csv", "loss")] == [2, 0.375]
    assert [float(v) for v in column(tmp_path / "log.csv", "loss/segmentation")] == [1, 0.1875]
    assert [float(v) for v in column(tmp_path / "log.csv", "loss/boundary_aware")] == pytest.approx([0.2, 0.0375])
    assert all(float(v) >= 0 for v in column(tmp_path / "log.csv", "seconds"))


def test_the_learning_rate_is_that_of_the_epoch_not_of_the_next(tmp_path):
    trainer = make_trainer(ScriptedLoss([1.0] * 6), epochs=3)
    schedule = torch.optim.lr_scheduler.ExponentialLR(trainer.optimizer, 0.1)
    for handler in (LrScheduleHandler(schedule, print_lr=False), TrainingLog(tmp_path / "log.csv")):
        handler.attach(trainer)
    trainer.run()
    assert [float(v) for v in column(tmp_path / "log.csv", "learning_rate")] == pytest.approx([0.5, 0.05, 0.005])


def test_validation_stands_in_the_row_of_its_epoch_and_others_are_empty(tmp_path):
    details = {"dice": torch.tensor([[0.25, math.nan], [0.75, math.nan]])}
    evaluator = make_evaluator([{"dice": torch.tensor(0.5), "hd95_mm": 9.0}, {"dice": 0.25, "hd95_mm": 4.0}], details)
    log = TrainingLog(tmp_path / "log.csv", evaluator=evaluator, class_names=["cord", "tumour"])
    make_trainer(ScriptedLoss([1.0] * 10), [validate_every(evaluator, 2), log], epochs=5).run()
    assert column(tmp_path / "log.csv", "validation/dice") == ["", "0.5", "", "0.25", ""]
    assert column(tmp_path / "log.csv", "validation/dice/cord") == ["", "0.5", "", "0.5", ""]
    assert column(tmp_path / "log.csv", "validation/dice/tumour") == ["", "nan", "", "nan", ""]
    assert column(tmp_path / "log.csv", "validation/hd95_mm") == ["", "9", "", "4", ""]
    assert list(read(tmp_path / "log.csv")[0])[:5] == ["epoch", "iterations", "seconds", "learning_rate", "loss"]


def test_gradient_norms_are_logged_where_something_keeps_them(tmp_path):
    trainer = make_trainer(ScriptedLoss([1.0] * 4))
    trainer.add_event_handler(
        Events.EPOCH_STARTED(once=2), lambda e: setattr(e.state, "gradient_norms", {"boundary_aware": 0.125})
    )
    TrainingLog(tmp_path / "log.csv").attach(trainer)
    trainer.run()
    assert column(tmp_path / "log.csv", "gradient_norm/boundary_aware") == ["", "0.125"]


def test_so_is_what_a_distance_head_answers(tmp_path):
    trainer = make_trainer(ScriptedLoss([1.0] * 4))
    answers = {"cord": 0.5, "tumour": 0.25}
    trainer.add_event_handler(Events.EPOCH_STARTED(once=2), lambda e: setattr(e.state, "field_response", answers))
    TrainingLog(tmp_path / "log.csv").attach(trainer)
    trainer.run()
    assert column(tmp_path / "log.csv", "field_response/tumour") == ["", "0.25"]


def test_details_per_case_become_a_mean_per_class_over_the_cases_that_have_it():
    details = {"dice": torch.tensor([[0.5, math.nan], [1.0, math.nan], [math.nan, math.nan]])}
    columns = validation_columns({"dice": 0.75}, details, ["a", "b"])
    assert columns.pop("validation/dice/b") != columns.get("validation/dice/b")
    assert columns == {"validation/dice": 0.75, "validation/dice/a": 0.75}


def test_a_resumed_run_goes_on_and_drops_the_rows_after_its_checkpoint(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss,mine\n1,0.11,a\n2,0.22,b\n3,0.33,c\n")
    trainer = make_trainer(ScriptedLoss([5.0] * 4), [TrainingLog(log)], epochs=4)
    # Registered after the log's own handler, as a checkpoint loader may be.
    trainer.add_event_handler(
        Events.STARTED, lambda e: (setattr(e.state, "epoch", 2), setattr(e.state, "iteration", 4))
    )
    trainer.run()
    assert column(log, "epoch") == ["1", "2", "3", "4"]
    assert column(log, "loss") == ["0.11", "0.22", "5", "5"]
    assert column(log, "mine") == ["a", "b", "", ""]
    assert not log.with_name("log.csv.previous").exists()


def test_a_resumed_run_without_its_old_log_starts_one(tmp_path):
    trainer = make_trainer(ScriptedLoss([5.0] * 4), [TrainingLog(tmp_path / "log.csv")], epochs=3)
    trainer.add_event_handler(Events.STARTED, lambda e: setattr(e.state, "epoch", 1))
    trainer.run()
    assert column(tmp_path / "log.csv", "epoch") == ["2", "3"]


def test_a_new_run_moves_the_old_log_aside(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss\n1,0.11\n")
    make_trainer(ScriptedLoss([5.0] * 2), [TrainingLog(log)], epochs=1).run()
    assert column(log, "loss") == ["5"]
    assert (tmp_path / "log.csv.previous").read_text() == "epoch,loss\n1,0.11\n"


def test_a_killed_run_leaves_the_epochs_it_finished(tmp_path):
    loss = ScriptedLoss([1.0, 1.0, 1.0])  # nothing left for the second iteration of epoch 2
    with pytest.raises(IndexError):
        make_trainer(loss, [TrainingLog(tmp_path / "log.csv")]).run()
    assert column(tmp_path / "log.csv", "epoch") == ["1"]


def test_the_curves_are_drawn_every_epoch(tmp_path, monkeypatch):
    drawn = []

    def draw(log_file, picture_file, title):
        drawn.append((len(read(log_file)), picture_file.name, title))

    monkeypatch.setattr("custom.engines.training_log.draw_training_curves", draw)
    log = TrainingLog(tmp_path / "log.csv", tmp_path / "curves.png", title="t")
    make_trainer(ScriptedLoss([1.0] * 6), [log], epochs=3).run()
    assert drawn == [(n, "curves.png", "t") for n in (1, 2, 3)]


def test_the_curves_of_one_epoch_are_a_picture(tmp_path, whole_pictures):
    log = TrainingLog(tmp_path / "log.csv", tmp_path / "curves.png")
    make_trainer(ScriptedLoss([1.0] * 2), [log], epochs=1).run()
    assert matplotlib.image.imread(tmp_path / "curves.png")[..., :3].std() > 0.05


def test_a_diverged_loss_is_logged_as_such(tmp_path):
    make_trainer(ScriptedLoss([1.0, math.nan]), [TrainingLog(tmp_path / "log.csv")], epochs=1).run()
    assert column(tmp_path / "log.csv", "loss") == ["nan"]


def test_the_loss_is_read_once_per_epoch_only(tmp_path, monkeypatch):
    reads = []
    original = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "item", lambda self: pytest.fail("waits for the device"))
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: (reads.append(1), original(self))[1])
    loss = ScriptedLoss([1.0] * 12)
    log = TrainingLog(tmp_path / "log.csv", loss=loss)
    trainer = make_trainer(loss, [log], epochs=2, iterations=6)
    trainer.run()
    assert len(reads) == 2


def test_the_sums_hold_no_graph(tmp_path):
    loss = ScriptedLoss([1.0] * 4)
    log = TrainingLog(tmp_path / "log.csv", loss=loss)
    make_trainer(loss, [log]).run()
    assert set(log.sums) == {"loss", "loss/segmentation", "loss/boundary_aware"}
    assert not any(value.requires_grad for value in log.sums.values())


def test_a_log_that_cannot_be_written_stops_the_run_before_it_starts(tmp_path):
    (tmp_path / "file").write_text("in the way")
    loss = ScriptedLoss([1.0] * 4)
    with pytest.raises(InputError, match=r"file/log\.csv cannot be written \(.+\): pass another --output_dir"):
        make_trainer(loss, [TrainingLog(tmp_path / "file" / "log.csv")]).run()
    assert len(loss.values) == 4


def test_a_disk_that_fills_up_later_costs_a_warning_and_no_row(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError("no space")

    write = training_log.write_rows
    trainer = make_trainer(ScriptedLoss([1.0] * 4), [TrainingLog(tmp_path / "log.csv")])
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED(once=1), lambda _: monkeypatch.setattr(training_log, "write_rows", full)
    )
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED(once=3), lambda _: monkeypatch.setattr(training_log, "write_rows", write)
    )
    with caplog.at_level(logging.WARNING):
        trainer.run()
    assert "no space" in caplog.text
    assert column(tmp_path / "log.csv", "epoch") == ["1", "2"]


def test_something_else_than_a_log_is_not_gone_on_with(tmp_path):
    (tmp_path / "log.csv").write_text("a,b\n1,2\n")
    trainer = make_trainer(ScriptedLoss([1.0] * 4), [TrainingLog(tmp_path / "log.csv")])
    trainer.add_event_handler(Events.STARTED, lambda e: setattr(e.state, "epoch", 1))
    with pytest.raises(InputError, match="no training log to go on with"):
        trainer.run()
    assert (tmp_path / "log.csv").read_text() == "a,b\n1,2\n"


def test_means_are_over_all_processes_and_one_of_them_writes(tmp_path):
    def average():
        sums = {"loss": torch.tensor([6.0, 2.0][rank()]), "loss/dice": torch.tensor([0.0, 1.0][rank()])}
        means = mean_over_processes(sums, 2)
        log = TrainingLog(tmp_path / "log.csv")
        make_trainer(ScriptedLoss([[1.0, 2.0], [3.0, 6.0]][rank()]), [log], epochs=1).run()
        return means

    assert in_two_processes(average, tmp_path / "group") == [{"loss": 2.0, "loss/dice": 0.25}] * 2
    assert column(tmp_path / "log.csv", "loss") == ["3"]
