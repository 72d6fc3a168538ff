"""Two trainings never share a folder."""

import multiprocessing

import pytest
from ignite.engine import Engine

from custom.engines import TrainingCheckpoint, claim_folders
from custom.errors import InputError
from custom.io.run_lock import let_go


def refused_elsewhere(folder):
    """What another process is told that wants to train in a folder."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(told, (str(folder),))


def told(folder):
    try:
        claim_folders(folder)
    except InputError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def _nothing_held():
    let_go()
    yield
    let_go()


def test_a_second_training_is_refused_until_the_first_has_ended(tmp_path):
    claim_folders(str(tmp_path / "models"), str(tmp_path / "output"))
    claim_folders(str(tmp_path / "models"))  # a recipe's stages follow one another in one process
    for folder in ("models", "output"):
        line = refused_elsewhere(tmp_path / folder)
        assert line.startswith(f"{tmp_path / folder} is in use by another run (process ")
        assert line.endswith(": wait for it, end it, or pass another --output_dir and --ckpt_dir")
    engine = Engine(lambda *_: None)
    checkpoint = TrainingCheckpoint(str(tmp_path / "models"), None, None, None)
    checkpoint.epoch_completed = lambda _: None
    checkpoint.attach(engine)
    engine.run([0])
    assert refused_elsewhere(tmp_path / "models") == refused_elsewhere(tmp_path / "output") == ""
