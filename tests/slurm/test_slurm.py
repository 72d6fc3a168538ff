"""A study, and the labelling of a recipe, as jobs of a real SLURM: tables and labels are those of a serial run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from custom.errors import InputError
from custom.plans import write_plan
from custom.workflows import Study

from ..small_bundle import SHORT, TINY_PLAN, write_dataset
from ..workflows.tiny_cohort import RECIPE, Pipeline, voxels, write_tiny_cohort
from .cluster import missing_programs, said, slurm

pytestmark = pytest.mark.slurm

PATIENCE = 900  # seconds
SETTINGS = {"partition": "test", "cpus_per_task": 1, "timeout_min": 60}
TABLES = ("study.md", "study.tex", "scores.csv", "comparisons.csv")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    if missing := missing_programs():
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurm-wlm munge")
    if find_spec("submitit") is None:
        pytest.skip("no submitit: pip install submitit")
    with tempfile.TemporaryDirectory(prefix="slurm") as folder, slurm(Path(folder)):
        yield


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """In the jobs, too: with others the sums come in another order."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def in_a_process(work: Callable[[], None]) -> multiprocessing.Process:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def job_ids(work: Path) -> dict[str, str]:
    return {file.parent.name: json.loads(file.read_text())["id"] for file in work.rglob("job.json")}


def queued() -> list[str]:
    return said("squeue", "--noheader", "--format=%A").split()


def test_a_studys_coordinator_is_killed_its_jobs_go_on_and_are_found_again(project, tmp_path):
    plan = tmp_path / "plan.yaml"
    write_plan(plan, TINY_PLAN)
    data = write_dataset(tmp_path / "data")

    def study(name: str, **options) -> Study:
        return Study(
            experiments={"nnunet": {"settings": {"distance_head": False}}, "batseg": {}},
            work_dir=tmp_path / name,
            bundle_root=project / "bundles" / "batseg_spine",
            reference="nnunet",
            folds=[0],
            overrides={"dataset_dir": str(data), "plan": str(plan), "num_folds": 2, **SHORT},
            **options,
        )

    work = tmp_path / "slurm"
    on_slurm = study("slurm", cluster="slurm", slurm=SETTINGS)
    coordinator = in_a_process(on_slurm.run)
    until((work / "runs/batseg_seed0_fold0/record.json").exists)
    os.kill(coordinator.pid, signal.SIGKILL)
    coordinator.join()
    first = job_ids(work)
    assert set(first) == {"nnunet_seed0_fold0", "batseg_seed0_fold0"}
    assert set(first.values()) <= set(queued()), "the jobs go on"
    on_slurm.run()
    assert first.items() <= job_ids(work).items(), "not submitted again"
    assert len(set(job_ids(work).values())) == 4
    until(lambda: not queued())
    study("serial").run()
    serial, jobs = ([(tmp_path / name / table).read_bytes() for table in TABLES] for name in ("serial", "slurm"))
    assert serial == jobs
    assert (work / "report.html").exists()


@pytest.fixture
def one_run(project, tmp_path, monkeypatch) -> Callable[..., Study]:
    """Makes a study of which a job only sleeps."""
    monkeypatch.setattr("custom.workflows.slurm_executor.ASKED_EVERY", 2)
    monkeypatch.setattr("custom.workflows.jobs.Task.command", lambda *_: ["sleep", "1000"])
    options = {"experiments": {"nnunet": {}}, "reference": "nnunet", "folds": [0], "cluster": "slurm"}
    options |= {"work_dir": tmp_path, "bundle_root": project / "bundles" / "batseg_spine"}
    return lambda **settings: Study(slurm=settings, **options)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"partitoin": "test"}, r"slurm: Unavailable parameter\(s\): \['partitoin'\] Valid parameters are"),
        (
            {"partition": "none"},
            "sbatch refuses nnunet_seed0_fold0: .*invalid partition.*; correct slurm, the same com",
        ),
    ],
)
def test_settings_that_slurm_refuses_are_one_line(one_run, settings, message):
    with pytest.raises(InputError, match=message):
        one_run(**settings).run()


def test_a_job_out_of_time_is_queued_again_and_one_that_is_cancelled_has_failed(one_run):
    """SLURM warns a job by a signal; the run itself works on until it is killed."""

    def interrupt() -> None:
        until(lambda: "running" in states())
        time.sleep(5)  # for submitit to listen
        said("scancel", "--signal=USR2", *queued())
        until(lambda: "pending" in states())
        said("scancel", *queued())

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(InputError, match=r"^run nnunet_seed0_fold0: its job \d+ is gone from the queue: cancelled, or"):
        one_run(**SETTINGS).run()
    thread.join()


def states() -> str:
    return said("squeue", "--noheader", "--format=%T").lower()


def test_chunks_of_scans_are_labelled_by_jobs(project, tmp_path):
    manifest = write_tiny_cohort(tmp_path / "cohort", {"dataset1": 2, "dataset2": 3}, validation=1)
    recipe = RECIPE[:2]
    serial = Pipeline(project, manifest, tmp_path / "serial", recipe=recipe)
    serial.run()
    jobs = Pipeline(project, manifest, tmp_path / "slurm", recipe=recipe, cases_per_job=2, slurm=SETTINGS)
    jobs.run(cluster="slurm")
    assert set(job_ids(jobs.work)) == {"1_organs", "2_lesions", "label_dataset2_001", "label_dataset2_002"}
    for kind in ("pseudo_labels/dataset2", "labels"):
        files = sorted((serial.stage("2_lesions") / kind).glob("*.nii.gz"))
        assert len(files) == 3
        for file in files:
            assert (voxels(file) == voxels(jobs.stage("2_lesions") / kind / file.name)).all()
    records = [json.loads((one.stage("2_lesions") / "record.json").read_text()) for one in (serial, jobs)]
    assert records[0]["model_sha256"] == records[1]["model_sha256"]
