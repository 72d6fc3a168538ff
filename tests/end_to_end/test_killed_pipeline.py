"""Killed with -9 at any moment, the pipeline goes on, and what it leaves equals an undisturbed run's bit for bit."""

import csv
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from matplotlib.figure import Figure

from custom.plans import read_plan

from ..workflows.tiny_cohort import CASES, OVERLAY, RECIPE, STAGES, VALIDATION, Pipeline, write_tiny_cohort

pytestmark = pytest.mark.kill

KILLS = 10
PATIENCE = 300  # seconds
FILLED = {stage["name"]: group for stage in RECIPE for group in stage.get("fill", {})}
TIMES = ("seconds", "training_seconds", "begun", "finished")

# a server that has imported everything once; its children are processes of their own, to be killed as such
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["torch", "ignite", "matplotlib.pyplot", "monai.bundle", "monai.engines", "custom.data"])


def work_through(pipeline: Pipeline, last_words: Path, dies_at: str, after: bool, options: dict) -> None:
    """What such a process does: run the pipeline, and die when a file is moved to the place `dies_at`, if any."""
    torch.set_num_threads(1)
    Figure.savefig = lambda _, file, *args, **kwargs: Path(file).write_bytes(b"")  # two thirds of the time
    if dies_at:
        die_at(dies_at, after)
    with last_words.open("a", buffering=1) as words:
        os.dup2(words.fileno(), 1)
        os.dup2(words.fileno(), 2)
        try:
            pipeline.run(**options)
        except BaseException:
            traceback.print_exc()
            raise


def die_at(place: str, after: bool) -> None:
    """Let this process kill itself between the writing of a file and its move to `place`, or right after the move."""
    for name in ("replace", "rename"):
        move = getattr(Path, name)

        def killing(source: Path, target: Path, move: Callable[[Path, Path], Path] = move) -> Path:
            dies = Path(target).match(place)
            moved = move(source, target) if after or not dies else target
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            return moved

        setattr(Path, name, killing)


def start(pipeline: Pipeline, dies_at: str = "", after: bool = False, **options) -> BaseProcess:
    arguments = (pipeline, pipeline.work.with_name("output.txt"), dies_at, after, options)
    process = context.Process(target=work_through, args=arguments)
    process.start()
    return process


def finish(pipeline: Pipeline, **options) -> None:
    process = start(pipeline, **options)
    process.join(PATIENCE)
    assert process.exitcode == 0, pipeline.work.with_name("output.txt").read_text()[-3000:]


def files_of(pipeline: Pipeline) -> list[str]:
    """What stages have written whole, without prepared cases, lists of what was left to do, events, locks, old logs."""
    unwanted = ("cache", ".tmp", ".previous", "_process0.json", "tensorboard", ".lock")
    walked = os.walk(pipeline.work / "stages")  # knows that folders vanish meanwhile, as glob does not
    files = (str(Path(folder, name).relative_to(pipeline.work)) for folder, _, names in walked for name in names)
    return sorted(file for file in files if not any(word in file for word in unwanted))


def wait_until(condition: Callable[[], bool], is_alive: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert is_alive(), "finished or failed before its time"
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_equal(disturbed: Pipeline, undisturbed: Pipeline, stages: Sequence[str] = STAGES) -> None:
    """Labels and tables in every byte, weights and optimizers in every tensor, records but for their times."""
    names = [name for name in files_of(undisturbed) if Path(name).parts[1] in stages]
    assert files_of(disturbed) == names
    assert sum(name.endswith("model.pt") for name in names) == len(stages)
    maps = [Path(name) for name in names if name.endswith(".nii.gz")]
    predicted = [file for file in maps if file.parent.name == "predictions"]
    assert len(predicted) == len(stages) * VALIDATION, "of validation cases"
    assert len(maps) - len(predicted) == 2 * sum(CASES[FILLED[one]] for one in stages[1:])
    for name in names:
        files = [disturbed.work / name, undisturbed.work / name]
        if name.endswith(".pt"):
            one, other = (tensors(torch.load(file, weights_only=True)) for file in files)
            assert one.keys() == other.keys()
            assert all(torch.equal(one[key], other[key]) for key in one), name
        elif not name.endswith(".png"):
            one, other = (contents(file, (disturbed.work, undisturbed.work)) for file in files)
            assert one == other, name
    assert not list(disturbed.work.rglob(".tmp*")), "what a kill leaves is removed"
    assert not list(disturbed.work.glob("stages/*/cache")), "prepared cases of finished stages too"
    assert not (disturbed.work / "excluded.json").exists()


def tensors(content: Any, key: str = "") -> dict[str, torch.Tensor]:
    """The tensors and numbers anywhere in a checkpoint."""
    if isinstance(content, dict | list):
        pairs = content.items() if isinstance(content, dict) else enumerate(content)
        return {name: leaf for inner, value in pairs for name, leaf in tensors(value, f"{key}/{inner}").items()}
    return {} if isinstance(content, str | None) else {key: torch.as_tensor(content)}


def contents(file: Path, folders: Sequence[Path]) -> Any:
    """What a file says, apart from times, with places relative to the work folders."""
    if file.suffix == ".gz":
        return file.read_bytes()
    text = file.read_text()
    for folder in folders:
        text = text.replace(str(folder), "")
    return timeless(json.loads(text) if file.suffix == ".json" else list(csv.DictReader(text.splitlines())))


def timeless(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key not in TIMES}
    return [timeless(value) for value in content] if isinstance(content, list) else content


@pytest.fixture(scope="module")
def undisturbed(project, tmp_path_factory) -> Pipeline:
    folder = tmp_path_factory.mktemp("undisturbed")
    pipeline = Pipeline(project, write_tiny_cohort(folder / "cohort"), folder / "work")
    finish(pipeline)
    return pipeline


@pytest.fixture
def killed(undisturbed, project, tmp_path) -> Pipeline:
    """A pipeline on the same cohort that has not run yet."""
    return Pipeline(project, undisturbed.manifest, tmp_path / "work")


def test_killed_at_ten_random_moments(undisturbed, killed):
    """Moments are counted in files, so that they lie all over the run on a fast and on a slow machine alike.

    The last files, of the last second, are left out: a busy machine might kill too late.
    """
    moments = random.Random(5)
    written = len(files_of(undisturbed))
    for number in sorted(moments.sample(range(1, written - 20), KILLS)):
        process = start(killed)
        wait_until(lambda number=number: len(files_of(killed)) >= number, process.is_alive)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    finish(killed)
    assert_equal(killed, undisturbed)


PLACES = (
    "1_organs/inputs.json",
    "1_organs/cache/case_01-*",
    "1_organs/models/model.pt",
    "1_organs/models/plan.yaml",
    "1_organs/models/resume/checkpoint.pt",
    "2_lesions/record.json",
    "2_lesions/pseudo_labels/dataset2/case_04.nii.gz",
    "2_lesions/pseudo_labels/dataset2/case_05.json",
    "2_lesions/review/suspicious.csv",
    "2_lesions/review/counts.json",
    "2_lesions/labels/case_03.nii.gz",
    "2_lesions/labels/case_04.json",
    "2_lesions/training_cases.json",
    "2_lesions/output/log.csv",
    "2_lesions/output/validation/metrics.json",
    "2_lesions/models/model_best.pt",
    "2_lesions/models/resume/checkpoint.pt",
)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_within_every_kind_of_write(undisturbed, killed, after):
    """Each process dies with a file written but not in its place, or the moment it is: a place after the other."""
    for place in PLACES:
        process = start(killed, place, after, until=2)
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL, place
    finish(killed, until=2)
    assert_equal(killed, undisturbed, STAGES[:2])


def test_killed_at_the_last_checkpoint_without_epochs_in_the_pipeline(project, undisturbed, tmp_path):
    """How many epochs there are is then known to train.yaml alone."""
    folder = tmp_path / "bundle"
    shutil.copytree(undisturbed.root / "configs", folder / "configs")
    train = (folder / "configs" / "train.yaml").read_text()
    assert train.count("epochs: 1000") == 1
    (folder / "configs" / "train.yaml").write_text(train.replace("epochs: 1000", "epochs: 2"))
    training = {key: value for key, value in OVERLAY["training"].items() if key != "epochs"}
    killed = Pipeline(project, undisturbed.manifest, tmp_path / "work", training=training)
    killed.root = folder
    for place in ("resume/checkpoint.pt", "models/model.pt", "models/plan.yaml", "resume/checkpoint.pt"):
        process = start(killed, place, after=True, until=1)
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL
        trained = read_plan(killed.stage(STAGES[0]) / "models" / "plan.yaml")["training"]
    assert trained["epoch"] == 2
    finish(killed, until=1)
    models = [
        tensors(torch.load(p.stage(STAGES[0]) / "models" / "model.pt", weights_only=True))
        for p in (killed, undisturbed)
    ]
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[1])


def test_killed_while_changed_stages_are_moved_away(undisturbed, killed):
    """What has not been moved yet is not taken for the work of the new settings."""
    shutil.copytree(undisturbed.work, killed.work)
    killed.write_overlay(training={**OVERLAY["training"], "learning_rate": 0.02})
    process = start(killed, "replaced/3_both.1", after=True, on_change="redo")
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL
    assert sorted(folder.name for folder in (killed.work / "stages").iterdir()) == STAGES[:2]
    process = start(killed)
    process.join(PATIENCE)
    assert process.exitcode == 1
    said = killed.work.with_name("output.txt").read_text()
    assert "stage 1_organs was begun with other settings or data: common training learning_rate 0.01 -> 0.02" in said
    killed.write_overlay()
    finish(killed)
    assert_equal(killed, undisturbed)


def command(pipeline: Pipeline, *launcher: str, **options) -> subprocess.Popen:
    """A run as a user starts it, in a process group of its own."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    with pipeline.work.with_name("output.txt").open("a") as output:
        return subprocess.Popen(
            [sys.executable, *launcher, "-m", "monai.bundle", "run", *pipeline.arguments(**options)],
            cwd=pipeline.root,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def test_killed_on_the_command_line_with_loading_processes(undisturbed, killed):
    """These outlive the run by a moment, in which the next one may already begin."""
    killed.write_overlay(runtime={**OVERLAY["runtime"], "num_workers": 1})
    written = len(files_of(undisturbed))
    process = command(killed)
    wait_until(lambda: len(files_of(killed)) >= written // 2, lambda: process.poll() is None)
    process.kill()
    process.wait()
    killed.write_overlay()
    finish(killed)
    assert_equal(killed, undisturbed)


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def test_two_processes_of_which_one_is_killed(project, undisturbed, tmp_path):
    pipeline = Pipeline(project, undisturbed.manifest, tmp_path / "work", recipe=RECIPE[:3])
    labels = pipeline.stage("2_lesions") / "pseudo_labels" / "dataset2"
    run = command(pipeline, *TORCHRUN)
    wait_until(lambda: any(labels.glob("case_*.json")), lambda: run.poll() is None)
    done = {file: file.stat().st_mtime_ns for file in labels.glob("case_*.json")}  # not what is being written
    psutil.Process(run.pid).children()[-1].kill()
    assert run.wait(PATIENCE) != 0

    run = command(pipeline, *TORCHRUN)
    assert run.wait(PATIENCE) == 0, pipeline.work.with_name("output.txt").read_text()[-3000:]
    assert all(file.stat().st_mtime_ns == time for file, time in done.items()), "labelled once"
    for stage in STAGES[:3]:
        record = json.loads((pipeline.stage(stage) / "record.json").read_text())
        assert record["state"] == "done"
        assert record["scores"]["organs"]["cases"] == 2
    shares = [pipeline.stage("3_both") / "pseudo_labels" / f"dataset1_process{rank}.json" for rank in (0, 1)]
    names = [Path(entry["image"]).name for share in shares for entry in json.loads(share.read_text())]
    assert len(json.loads(shares[1].read_text())) == 1, "both worked"
    assert sorted(names) == [f"case_0{number}.nii.gz" for number in range(3)], "each case in one of them"
    for stage, group in list(FILLED.items())[:2]:
        for kind in (f"pseudo_labels/{group}", "labels"):
            assert len(list((pipeline.stage(stage) / kind).glob("*.nii.gz"))) == CASES[group]
    assert not (pipeline.work / "excluded.json").exists()
