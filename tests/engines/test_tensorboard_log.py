"""TensorBoard events of trainings, read back with TensorBoard's own reader."""

from __future__ import annotations

import logging
import math
import random
import resource

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from matplotlib.image import imsave
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from custom.engines import tensorboard_log
from custom.engines.tensorboard_log import TensorBoardLog


def train(handler, numbers, first=1):
    """An engine whose epochs `first`, `first` + 1, ... end with the listed numbers, as `TrainingLog` leaves them."""
    engine = Engine(lambda engine, batch: None)

    @engine.on(Events.STARTED)
    def _resume(engine):
        engine.state.epoch = first - 1

    @engine.on(Events.EPOCH_COMPLETED)
    def _log(engine):
        engine.state.epoch_log = numbers[engine.state.epoch - first]

    handler.attach(engine)
    engine.run([0], max_epochs=first + len(numbers) - 1)


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    return events


def curve(folder, name):
    return [(event.step, event.value) for event in read(folder).Scalars(name)]


def test_numbers_stand_at_their_epochs_and_those_that_are_none_are_left_out(tmp_path):
    train(TensorBoardLog(tmp_path / "tb"), [{"loss": 2.0}, {"loss": 1.5, "validation/dice": math.nan}])
    assert curve(tmp_path / "tb", "loss") == [(1, 2.0), (2, 1.5)]
    assert read(tmp_path / "tb").Tags()["scalars"] == ["loss"]


def test_the_picture_stands_at_the_epochs_that_were_validated(tmp_path):
    pixels = np.random.RandomState(0).rand(5, 7, 3)
    imsave(tmp_path / "cases.png", pixels)
    handler = TensorBoardLog(tmp_path / "tb", {"cases": tmp_path / "cases.png", "none": tmp_path / "none.png"})
    train(handler, [{"loss": 2.0}, {"loss": 1.5, "validation/dice": 0.5}])
    events = read(tmp_path / "tb")
    assert events.Tags()["images"] == ["cases"]
    (picture,) = events.Images("cases")
    assert (picture.step, picture.height, picture.width) == (2, 5, 7)


def test_a_resumed_training_goes_on_in_the_same_folder(tmp_path):
    train(TensorBoardLog(tmp_path / "tb"), [{"loss": 3.0}, {"loss": 2.0}])
    train(TensorBoardLog(tmp_path / "tb"), [{"loss": 1.0}], first=3)
    assert curve(tmp_path / "tb", "loss") == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_epochs_overtaken_by_a_resume_are_not_shown_twice(tmp_path):
    """Killed after epoch 3, of which epoch 1 had a checkpoint; also what only the overtaken epochs had vanishes."""
    train(TensorBoardLog(tmp_path / "tb"), [{"loss": 3.0}, {"loss": 2.0, "validation/dice": 0.5}, {"loss": 9.0}])
    train(TensorBoardLog(tmp_path / "tb"), [{"loss": 2.5}, {"loss": 1.0}], first=2)
    assert curve(tmp_path / "tb", "loss") == [(1, 3.0), (2, 2.5), (3, 1.0)]
    assert read(tmp_path / "tb").Scalars("validation/dice") == []


def test_a_new_training_moves_the_old_events_away(tmp_path):
    for loss in (3.0, 2.0, 1.0):
        train(TensorBoardLog(tmp_path / "tb"), [{"loss": loss}])
    assert curve(tmp_path / "tb", "loss") == [(1, 1.0)]
    assert curve(tmp_path / "tb.previous", "loss") == [(1, 2.0)]


def test_nothing_is_written_before_an_epoch_ends_or_without_numbers(tmp_path):
    train(TensorBoardLog(tmp_path / "tb"), [{}, {}])
    assert not (tmp_path / "tb").exists()


def test_no_random_number_is_drawn(tmp_path):
    imsave(tmp_path / "cases.png", np.zeros((4, 4, 3)))
    states = torch.get_rng_state(), random.getstate()
    train(TensorBoardLog(tmp_path / "tb", {"cases": tmp_path / "cases.png"}), [{"loss": 1.0, "validation/dice": 1.0}])
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        train(TensorBoardLog(tmp_path / "file" / "tb"), [{"loss": 1.0}, {"loss": 1.0}])
    assert f"{tmp_path / 'file' / 'tb'}: not written" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_disk_that_fills_up_costs_warnings(tmp_path, caplog):
    """The limit on the size of files fails as a full disk does: in the middle of writing."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with caplog.at_level(logging.WARNING):
            train(TensorBoardLog(tmp_path / "tb"), [{f"loss/{n}": 1.0 for n in range(100)}] * 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "tb: not written" in caplog.text


def test_a_damaged_picture_costs_a_warning(tmp_path, caplog):
    (tmp_path / "cases.png").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        train(TensorBoardLog(tmp_path / "tb", {"cases": tmp_path / "cases.png"}), [{"validation/dice": 0.5}])
    assert "not written" in caplog.text
    assert curve(tmp_path / "tb", "validation/dice") == [(1, 0.5)]


@pytest.mark.parametrize("installed", [True, False])
def test_without_the_package_a_training_goes_on(tmp_path, caplog, monkeypatch, installed):
    monkeypatch.setattr(tensorboard_log, "has_tensorboard", installed)
    with caplog.at_level(logging.WARNING):
        train(TensorBoardLog(tmp_path / "tb"), [{"loss": 1.0}])
    assert (tmp_path / "tb").exists() == installed
    assert ("pip install tensorboard" in caplog.text) != installed
