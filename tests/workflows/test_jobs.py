"""Runs in processes of their own: at once where they can, after those they need, none twice, none left behind."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from custom.errors import InputError
from custom.io.run_lock import HIDDEN, is_in_use, run_lock
from custom.workflows import Chain, Study, config_runs, executors
from custom.workflows.executors import make_executor
from custom.workflows.jobs import Task

from . import test_study
from .test_chain import Word
from .test_study import EVALUATE, EXPERIMENTS, TRAIN

PATIENCE = 60  # seconds
STEP = {
    "imports": ["$import tests.workflows.test_jobs as here"],
    **{"output_dir": "", "wait_for": "", "fault": "", "initialize": []},
    "run": ["$here.step(@output_dir, @wait_for, @fault)"],
}


def step(output: str, wait_for: str, fault: str) -> None:
    """Says that it is there, waits for another to be there, or fails where its file `fault` is."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "there").write_text(f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}")
    if fault and Path(fault).exists():
        raise InputError(f"{fault} is in the way; remove it")
    until(lambda: not wait_for or (folder.parents[1] / wait_for / "output" / "there").exists())
    with (folder / "times_done").open("a") as file:
        file.write("once ")


def until(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def bundle(tmp_path, monkeypatch, quick_python, project) -> Path:
    """A bundle of `step` and of the study's two lines, whose processes start at once."""
    root = tmp_path / "bundle"
    (root / "configs").mkdir(parents=True)
    for name, content in {"step": STEP, "train": TRAIN, "evaluate": EVALUATE}.items():
        (root / "configs" / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (root / "configs" / "metadata.json").write_text('{"version": "0.1"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(quick_python / "python"))
    return root


def chain(bundle: Path, *runs: dict, **options) -> Chain:
    entries = [{"config": "step", **run} for run in runs]
    return Chain(config_runs(entries, "work", bundle), "work", **{"jobs": 2, **options})


def record(name: str) -> dict:
    return json.loads(Path("work", "runs", name, "record.json").read_text())


def test_independent_runs_run_at_once_on_a_gpu_each_and_others_after_those_they_need(bundle, monkeypatch, caplog):
    """The first two wait for one another; of three at once the third would find both at work."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(executors, "visible_gpus", lambda: ["3", "5"])
    both = {"name": "c", "needs": ["a", "b"]}
    work = chain(
        bundle, {"name": "a", "overrides": {"wait_for": "b"}}, {"name": "b", "overrides": {"wait_for": "a"}}, both
    )
    for _ in range(2):
        work.run()
    assert [record(name)["state"] for name in "abc"] == ["done"] * 3
    assert record("c")["begun"] >= max(record("a")["finished"], record("b")["finished"])
    there = {name: Path("work", "runs", name, "output", "there").read_text().split() for name in "abc"}
    assert {there["a"][1], there["b"][1]} == {"3", "5"}
    assert len({process for process, _ in there.values()} | {str(os.getpid())}) == 4
    assert all(Path("work", "runs", name, "output", "times_done").read_text() == "once " for name in "abc")
    assert Path("work/runs/a/job.log").read_text().endswith("run a\n")
    assert "2 of 3 runs done; running: none" in caplog.text
    assert "3 of 3 runs done; running: none" in caplog.text


def test_where_one_fails_independent_ones_go_on_and_the_same_call_ends_it_later(bundle, tmp_path):
    fault = tmp_path / "fault"
    fault.touch()
    runs = (
        {"name": "a", "overrides": {"fault": "fault"}},
        {"name": "b", "needs": ["a"]},
        {"name": "c"},
        {"name": "d", "needs": ["b"]},
    )
    with pytest.raises(InputError) as error:
        chain(bundle, *runs).run()
    assert str(error.value) == (
        f"run a: fault is in the way; remove it (log: {tmp_path}/work/runs/a/job.log); not begun, as they need "
        "these: b, d; what is finished is kept, the same command goes on"
    )
    assert record("c")["state"] == "done"
    assert not Path("work/runs/b").exists()
    state = chain(bundle, *runs).state()
    assert "failed" in state.splitlines()[3]
    assert "error: " in Path("work/runs/a/job.log").read_text()
    fault.unlink()
    chain(bundle, *runs).run()
    assert [record(name)["state"] for name in "abcd"] == ["done"] * 4
    assert Path("work/runs/c/output/times_done").read_text() == "once "


def test_a_process_that_is_killed_is_a_run_that_failed(bundle, monkeypatch):
    monkeypatch.setattr(Task, "command", lambda task, *_: ["sh", "-c", "kill -9 $$"])
    with pytest.raises(InputError, match=r"run a: its process was ended by signal 9 \(log: .*a/job.log\); what is fin"):
        chain(bundle, {"name": "a"}).run()


def test_no_process_outlives_a_coordinator_that_is_killed_and_its_work_goes_on(bundle):
    """The next call waits until they are gone: no run is done by two processes at once."""
    runs = ({"name": "a", "overrides": {"wait_for": "never"}}, {"name": "b", "overrides": {"wait_for": "c"}})
    coordinator = multiprocessing.get_context("fork").Process(target=chain(bundle, *runs).run)
    coordinator.start()
    there = [Path("work", "runs", name, "output", "there") for name in "ab"]
    until(lambda: all(file.exists() and file.read_text() for file in there))
    processes = [int(file.read_text().split()[0]) for file in there]
    assert all(is_in_use(Path("work/runs", name), HIDDEN) for name in "ab")
    assert "running" in chain(bundle, *runs).state()
    os.kill(coordinator.pid, signal.SIGKILL)
    coordinator.join()
    until(lambda: not any(map(psutil.pid_exists, processes)))
    assert "interrupted" in chain(bundle, *runs).state()
    for name in ("never", "c"):
        place = Path("work", "runs", name, "output")
        place.mkdir(parents=True)
        (place / "there").touch()
    chain(bundle, *runs).run()
    assert [record(name)["state"] for name in "ab"] == ["done"] * 2


def test_a_run_is_refused_whose_settings_changed_since_it_was_begun(bundle):
    """As of a job that waited in a queue meanwhile."""
    work = chain(bundle, {"name": "a"})
    work.keep_inputs(work.runs["a"])
    changed = chain(bundle, {"name": "a", "overrides": {"wait_for": "b"}})
    with pytest.raises(InputError, match="settings or data changed since it was begun: overrides wait_for is new"):
        changed.do_alone(changed.runs["a"])


def test_begun_runs_that_another_process_works_on_are_not_redone(bundle):
    work = chain(bundle, {"name": "a"})
    work.keep_inputs(work.runs["a"])
    changed = chain(bundle, {"name": "a", "overrides": {"wait_for": "b"}}, on_change="redo")
    changed.is_alone = lambda: False
    with run_lock("work/runs/a", HIDDEN), pytest.raises(InputError, match="a job still works on a: wait for it or"):
        changed.run()
    assert Path("work/runs/a/inputs.json").exists()


def test_a_selected_run_needs_one_that_nobody_does(bundle):
    with pytest.raises(InputError, match=r"run b needs run a, which is not done: run that one first \(--only a, or"):
        chain(bundle, {"name": "a"}, {"name": "b", "needs": ["a"]}, only="b").run()


TABLES = ("study.md", "study.tex", "scores.csv", "comparisons.csv")


def test_a_studys_tables_are_a_serial_ones(bundle, tmp_path):
    test_study.trained.clear()
    folders = [tmp_path / name for name in ("serial", "parallel")]
    for folder, jobs in zip(folders, ("auto", 3), strict=True):
        options = {"experiments": EXPERIMENTS, "reference": "plain", "folds": [0, 1]}
        Study(work_dir=folder, bundle_root=bundle, title="Skill", jobs=jobs, **options).run()
    assert len(test_study.trained) == 4, "of the serial one, in this process"
    serial, parallel = ([(folder / name).read_bytes() for name in TABLES] for folder in folders)
    assert serial == parallel
    assert b"| better | 2 |" in serial[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cluster": "pbs"}, "cluster is 'pbs'; pass local or slurm"),
        ({"jobs": "gpus"}, "jobs is gpus, but this machine has none; pass a number"),
        (
            {"jobs": "gpus", "cluster": "slurm"},
            "jobs is gpus, of this machine; for a cluster pass --slurm",
        ),
        ({"cluster": "slurm"}, "cluster: slurm needs the package submitit: pip install submitit"),
    ],
)
def test_refused(options, message, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError) as error:
        make_executor(**options)
    assert str(error.value).startswith(message)


def test_what_is_for_a_cluster_is_pointed_out_here(caplog):
    assert make_executor(slurm={"partition": "gpu"}) is None
    assert "which is for --cluster slurm; the runs are done on this machine" in caplog.text


def test_torchrun_and_jobs_exclude_one_another(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert make_executor() is None
    with pytest.raises(InputError, match="jobs is 2, cluster local: they start processes of their own; leave torchrun"):
        make_executor(jobs=2)


def test_gpus_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-8932f937")
    assert executors.visible_gpus() == ["2", "GPU-8932f937"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert executors.visible_gpus() == []
    assert make_executor(jobs=3).gpus == {}, "nothing to share out"


def test_runs_that_are_no_data_cannot_be_done_elsewhere(tmp_path):
    with pytest.raises(InputError, match="jobs are for runs that are described by data, see custom"):
        Chain([Word(tmp_path, "a", "")], tmp_path, jobs=2).run()
