"""Killed with -9 ten times, a study of several runs at once ends with the tables of an undisturbed, serial one."""

import multiprocessing
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure

from custom.plans import write_plan
from custom.workflows import Study

from ..small_bundle import SHORT, TINY_PLAN, write_dataset
from .test_killed_pipeline import tensors

pytestmark = pytest.mark.kill

KILLS = 10
PATIENCE = 900  # seconds
TABLES = ("study.md", "study.tex", "scores.csv", "comparisons.csv")
TRAINING = {**SHORT, "iterations_per_epoch": 2}
TYPES = "{needs.batseg_types.typing_file}"
EXPERIMENTS = {
    "nnunet": {"settings": {"distance_head": False}},
    "batseg": {},
    "typed": {"weights": "batseg", "evaluation": {"consensus": True, "typing": "logits", "typing_file": TYPES}},
}
SHARED = {
    "batseg_types": {
        "config": ["train", "evaluate", "fit_typing"],
        "settings": {"ckpt_dir": "{needs.batseg.ckpt_dir}", "typing_file": "{folder}/typing.json"},
    },
}
context = multiprocessing.get_context("fork")  # of this process, which has imported everything


def work_through(options: dict[str, Any], python: str, last_words: Path) -> None:
    """What a coordinator does, in a group of its own; the processes of its runs start within a tenth of a second."""
    os.setsid()
    sys.executable = python
    Figure.savefig = lambda _, file, *args, **kwargs: Path(file).write_bytes(b"")
    with last_words.open("a", buffering=1) as words:
        os.dup2(words.fileno(), 1)
        os.dup2(words.fileno(), 2)
        try:
            Study(**options).run()
        except BaseException:
            traceback.print_exc()
            raise


@pytest.fixture
def start(project, quick_python, tmp_path, monkeypatch) -> Callable[..., BaseProcess]:
    """Starts a study of two networks, with a run that a third row needs, in a folder."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    plan = tmp_path / "plan.yaml"
    write_plan(plan, TINY_PLAN)
    data = write_dataset(tmp_path / "data")
    options = {
        "experiments": EXPERIMENTS,
        "shared": SHARED,
        "bundle_root": str(project / "bundles" / "batseg_spine"),
        "reference": "nnunet",
        "folds": [0],
        "overrides": {"dataset_dir": str(data), "plan": str(plan), "num_folds": 2, **TRAINING},
    }

    def starting(work: Path, **more: Any) -> BaseProcess:
        arguments = ({**options, "work_dir": str(work), **more}, str(quick_python / "python"), tmp_path / "words")
        process = context.Process(target=work_through, args=arguments)
        process.start()
        return process

    return starting


def finish(process: BaseProcess, words: Path) -> None:
    process.join(PATIENCE)
    assert process.exitcode == 0, words.read_text()[-3000:]


def files_of(work: Path) -> list[str]:
    """What runs have written whole, without prepared cases, logs, locks and what belongs to jobs."""
    unwanted = ("cache", ".tmp", ".previous", "tensorboard", ".lock", "job")
    walked = os.walk(work / "runs")
    files = (str(Path(folder, name).relative_to(work)) for folder, _, names in walked for name in names)
    return sorted(file for file in files if not any(word in file for word in unwanted))


def test_killed_at_ten_random_moments(start, tmp_path):
    """Moments are counted in files, so that they lie all over the study on fast and slow machines alike."""
    serial, killed, words = tmp_path / "serial", tmp_path / "killed", tmp_path / "words"
    finish(start(serial), words)
    written = len(files_of(serial))
    moments = random.Random(5)
    for number in sorted(moments.sample(range(1, written - 10), KILLS)):
        process = start(killed, jobs=2)
        end = time.monotonic() + PATIENCE
        while len(files_of(killed)) < number:
            assert process.is_alive(), words.read_text()[-3000:]
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.1))
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    finish(start(killed, jobs=2), words)
    assert files_of(killed) == files_of(serial)
    for name in TABLES:
        assert (killed / name).read_bytes() == (serial / name).read_bytes(), name
    models = [name for name in files_of(serial) if name.endswith("model.pt")]
    assert len(models) == 2
    for name in models:
        one, other = (tensors(torch.load(folder / name, weights_only=True)) for folder in (killed, serial))
        assert all(torch.equal(one[key], other[key]) for key in one), name
    assert not list(killed.rglob(".tmp*")), "what a kill leaves is removed"
    assert not list(killed.glob("runs/*/cache")), "prepared cases of finished runs, too"
