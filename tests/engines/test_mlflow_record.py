"""The record of runs in a real MLflow store, next to MONAI's own handler."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedTrainer
from monai.handlers import MLFlowHandler
from monai.utils import path_to_sqlite_uri

from custom.engines.mlflow_record import MLflowRecord, lose_patience, tracker_of
from custom.engines.training_log import TrainingLog

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed; pip install -e '.[test]'")
sqlalchemy = pytest.importorskip("sqlalchemy", reason="MLflow's local store needs sqlalchemy; pip install -e '.[test]'")


CLASSES = ["left lobe", "tumour (any)"]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """Making the tables takes seconds: once."""
    file = tmp_path_factory.mktemp("store") / "mlruns.db"
    mlflow.MlflowClient(path_to_sqlite_uri(file)).search_experiments()
    return file


@pytest.fixture
def output(empty_store, tmp_path):
    shutil.copy(empty_store, tmp_path)
    return tmp_path


def tracker(output, **options):
    return MLFlowHandler(tracking_uri=path_to_sqlite_uri(output / "mlruns.db"), **options)


class Start:
    """Resumes after an epoch, as `TrainingCheckpoint` does, and validates every epoch."""

    def __init__(self, epoch, evaluator):
        self.epoch, self.evaluator = epoch, evaluator

    def attach(self, engine):
        engine.add_event_handler(Events.STARTED, lambda: setattr(engine.state, "epoch", self.epoch))
        if self.evaluator is not None:
            engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: self.evaluator.run([0]))


def scored_evaluator(dice=0.5):
    evaluator = Engine(lambda engine, batch: None)

    @evaluator.on(Events.EPOCH_COMPLETED)
    def _score(engine):
        engine.state.metrics = {"dice": dice}
        engine.state.metric_details = {"dice": torch.tensor([[0.25, 0.75]])}

    return evaluator


def train(output, epochs=2, first=1, tracked=True, evaluator=None, killed=False, more=(), **options):
    """A MONAI trainer with the handlers as `--tracking mlflow` orders them; killed: it ends without a word."""
    network = torch.nn.Conv3d(1, 1, 1)
    data = [{"image": torch.ones(2, 1, 2, 2, 2), "label": torch.ones(2, 1, 2, 2, 2)}] * 2
    record = MLflowRecord("training", output, files=["log.csv", "*.png"], evaluator=evaluator, **options)
    log = TrainingLog(output / "log.csv", output / "curves.png", evaluator=evaluator, class_names=CLASSES)
    handlers = [*more, Start(first - 1, evaluator), log, record]
    if tracked:
        close = {"close_on_complete": not killed}
        handlers.append(tracker(output, output_transform=lambda output: output[0]["loss"], **close))
    if killed:
        record.completed = lambda _: None
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=first + epochs - 1,
        train_data_loader=data,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.5),
        loss_function=torch.nn.MSELoss(),
        decollate=False,
        train_handlers=handlers,
    )
    trainer.run()


def client_of(output):
    return mlflow.MlflowClient(path_to_sqlite_uri(output / "mlruns.db"))


def runs(output):
    client = client_of(output)
    experiments = [one.experiment_id for one in client.search_experiments()]
    return sorted(client.search_runs(experiments), key=lambda run: run.info.start_time)


def steps(output, run, name):
    return sorted(point.step for point in client_of(output).get_metric_history(run.info.run_id, name))


def artifacts(output, run):
    client = client_of(output)
    folders = client.list_artifacts(run.info.run_id)
    return sorted(file.path for folder in folders for file in client.list_artifacts(run.info.run_id, folder.path))


def test_settings_curves_tables_and_pictures_of_a_training(output):
    (output / ".tmp_0123abcd_curves.png").write_bytes(b"of a killed run")
    plan = {"spacing": [1, 2], "fingerprint": {"cases": 3}, "training": {"fold": 0, "seed": 1}}
    train(output, plan=plan, parameters={"fold": "all"})
    (run,) = runs(output)
    assert run.info.status == "FINISHED"
    assert run.info.run_name.startswith("training 20")
    assert run.data.params == {"fold": "all", "seed": "1", "spacing": "[1, 2]", "max_epochs": "2", "epoch_length": "2"}
    assert steps(output, run, "loss") == steps(output, run, "learning_rate") == [1, 2]
    assert steps(output, run, "loss_of_iteration") == [1, 2, 3, 4]
    assert artifacts(output, run) == ["pictures/curves.png", "tables/log.csv"]
    where = output / "mlruns" / run.info.run_id / "artifacts" / "tables" / "log.csv"
    assert where.read_text() == (output / "log.csv").read_text()


def test_validations_stand_in_the_trainings_run_by_class_and_epoch(output):
    evaluator = scored_evaluator()
    tracker(output, iteration_log=False).attach(evaluator)
    train(output, evaluator=evaluator)
    (run,) = runs(output)
    assert steps(output, run, "validation/dice") == steps(output, run, "validation/dice/left lobe") == [1, 2]
    assert run.data.metrics["validation/dice/tumour _any_"] == 0.75


def test_an_evaluation_is_a_run_of_its_own_and_ends(output):
    train(output)
    evaluator = scored_evaluator()
    MLflowRecord("evaluation", output, class_names=CLASSES).attach(evaluator)
    tracker(output, iteration_log=False).attach(evaluator)
    evaluator.run([0])
    training, evaluation = runs(output)
    assert evaluation.info.status == "FINISHED"
    assert evaluation.data.metrics["validation/dice/left lobe"] == 0.25
    assert evaluation.data.metrics["validation/dice/tumour _any_"] == 0.75
    assert "validation/dice" not in training.data.metrics


def test_a_resumed_training_goes_on_in_its_run_even_with_other_settings(output):
    train(output, parameters={"epochs": 2})
    train(output, first=3, parameters={"epochs": 4, "amp": False})
    (run,) = runs(output)
    assert run.info.status == "FINISHED"
    assert run.data.params["epochs"] == "2", "MLflow changes no parameter"
    assert run.data.params["amp"] == "False"
    assert steps(output, run, "loss") == [1, 2, 3, 4]


def test_a_new_training_does_not_go_on_in_the_run_of_one_that_was_killed(output):
    train(output, killed=True, parameters={"learning_rate": 0.1})
    train(output, parameters={"learning_rate": 0.2})
    killed, new = runs(output)
    assert (killed.info.status, new.info.status) == ("KILLED", "FINISHED")
    assert (killed.data.params["learning_rate"], new.data.params["learning_rate"]) == ("0.1", "0.2")
    assert steps(output, killed, "loss") == steps(output, new, "loss") == [1, 2]


def test_the_run_of_another_folder_in_the_same_store_is_left_alone(output):
    train(output, killed=True)
    other = output / "other"
    other.mkdir()
    evaluator = scored_evaluator()
    MLflowRecord("training", other).attach(evaluator)
    tracker(output, iteration_log=False).attach(evaluator)
    evaluator.run([0])
    assert [run.info.status for run in runs(output)] == ["RUNNING", "FINISHED"]


def test_without_monais_handler_nothing_is_recorded(output):
    train(output, tracked=False)
    assert runs(output) == []


def test_monais_handler_is_found_on_the_engine_it_follows(output):
    engine, other = Engine(lambda engine, batch: None), Engine(lambda engine, batch: None)
    handler = tracker(output)
    handler.attach(engine)
    assert tracker_of(engine) is handler
    assert tracker_of(other) is None
    assert tracker_of(None) is None


class Trouble:
    """Something that befalls the store when an epoch begins (0: the training) and is over when a later one does."""

    def __init__(self, output, first, last, begin, end):
        self.first, self.last, self.commands = first, last, (begin, end)
        self.store = sqlite3.connect(output / "mlruns.db", isolation_level=None)

    def attach(self, engine):
        begin, end = self.commands
        engine.add_event_handler(
            Events.EPOCH_STARTED(once=self.first) if self.first else Events.STARTED, self.execute, begin
        )
        engine.add_event_handler(Events.EPOCH_STARTED(once=self.last + 1), self.execute, end)

    def execute(self, command):
        self.store.execute(command)


def damaged(output, first, last, table="metrics"):
    return Trouble(output, first, last, f"ALTER TABLE {table} RENAME TO lost", f"ALTER TABLE lost RENAME TO {table}")


@pytest.fixture
def impatient():
    """MLflow would wait for 20 s where another program has locked the store."""

    def shorten(connection, cursor, statement, parameters, *_):
        return re.sub(r"(busy_timeout = )\d+", r"\g<1>100", statement), parameters

    event = (sqlalchemy.Engine, "before_cursor_execute", shorten)
    sqlalchemy.event.listen(*event, retval=True)
    yield
    sqlalchemy.event.remove(*event)


def locked(output, first, last):
    """By another program."""
    return Trouble(output, first, last, "BEGIN EXCLUSIVE", "ROLLBACK")


def messages(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "custom.engines.mlflow_record"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("trouble", "said"), [(damaged, "no such table"), (locked, "database is locked")])
def test_a_store_that_fails_for_a_while_costs_a_warning_and_what_it_did_not_take(output, caplog, trouble, said):
    evaluator = scored_evaluator()
    tracker(output, iteration_log=False).attach(evaluator)
    train(output, epochs=4, evaluator=evaluator, more=[trouble(output, 2, 2)])
    assert len((output / "log.csv").read_text().splitlines()) == 1 + 4, "the training ended as ever"
    (line,) = messages(caplog)
    assert re.search(f"^not recorded by MLflow: .*{said}.*; the run goes on, its curves follow when the store", line)
    (run,) = runs(output)
    assert steps(output, run, "loss") == steps(output, run, "validation/dice/left lobe") == [1, 2, 3, 4]
    assert run.info.status == "FINISHED"
    assert artifacts(output, run) == ["pictures/curves.png", "tables/log.csv"]


def test_a_store_that_fails_from_the_start_costs_the_record_alone(output, caplog):
    train(output, epochs=2, more=[damaged(output, 0, 2, table="experiments")])
    assert len((output / "log.csv").read_text().splitlines()) == 1 + 2
    assert len(messages(caplog)) == 1


def test_a_store_that_fails_at_the_start_records_everything_later(output):
    train(output, epochs=3, more=[damaged(output, 0, 1, table="experiments")], parameters={"fold": 3})
    (run,) = runs(output)
    assert steps(output, run, "loss") == [1, 2, 3]
    assert (run.data.params["fold"], run.info.status) == ("3", "FINISHED")


def test_a_store_that_fails_to_the_end_costs_one_warning(output, caplog):
    evaluator = scored_evaluator()
    tracker(output, iteration_log=False).attach(evaluator)
    train(output, epochs=3, evaluator=evaluator, more=[damaged(output, 2, 3)])
    assert len((output / "log.csv").read_text().splitlines()) == 1 + 3
    assert len(messages(caplog)) == 1


class Calls:
    """A store that fails at every call, and counts them."""

    def __init__(self):
        self.count = 0

    def __getattr__(self, _):
        def fail(*_, **__):
            self.count += 1
            raise OSError("no answer")

        return fail


def test_a_store_that_never_answers_is_asked_ever_more_rarely(output, caplog):
    handler, calls = tracker(output), Calls()
    handler.client = calls
    record = MLflowRecord("training", output)
    engine = Engine(lambda engine, batch: setattr(engine.state, "metrics", {"loss": 1.0}))
    record.attach(engine)
    handler.attach(engine)
    engine.run([0], max_epochs=1000)
    assert calls.count < 30
    assert len(messages(caplog)) == 1


def test_a_server_that_is_gone_fails_within_seconds(output, caplog, monkeypatch):
    for name in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.delenv(name, raising=False)
    lose_patience()
    with pytest.raises(mlflow.exceptions.MlflowException, match="Max retries exceeded"):
        mlflow.MlflowClient("http://127.0.0.1:9").search_experiments()  # with MLflow's defaults after four minutes
    assert not caplog.records, "of urllib3"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    lose_patience()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"


def test_pictures_that_cannot_be_stored_cost_a_warning(output, caplog):
    (output / "mlruns").touch()  # where a folder should be
    train(output)
    (run,) = runs(output)
    assert steps(output, run, "loss") == [1, 2]
    assert len(messages(caplog)) == 1
