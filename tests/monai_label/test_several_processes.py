"""The command that MONAI Label starts on a machine with several GPUs, here with two processes on CPUs.

Its server offers `multi_gpu: true`; with two GPUs or more it then writes a config and starts torchrun on it, in the
server's own folder and without the bundle's, and calls the training finished whatever comes of it.
"""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
import torch

from custom.plans import read_plan

from ..end_to_end.ending import ending_with_us
from .conftest import ITERATIONS, TASK_SECONDS, replace, server_variables

pytestmark = pytest.mark.slow

# what the server's own process for a training does, which would ask for as many processes as there are GPUs
TRAINING = """
import json, logging, sys
from monailabel.tasks.train.bundle import BundleTrainTask

bundle, cases, request = json.loads(sys.argv[1])
logging.basicConfig(level=logging.INFO)

class Store:
    def datalist(self):
        return cases

task = BundleTrainTask(bundle, {})
offered = {key: value[0] if isinstance(value, list) else value for key, value in task.config().items()}
assert offered["run_id"] == "" and offered["multi_gpu"], "as 3D Slicer sends them"
task({"model": "spine", **offered, **request}, Store())
"""


def test_a_training_by_two_processes(environment, scans, trained_spine, tmp_path):
    bundle = tmp_path / "models" / trained_spine.name
    shutil.copytree(trained_spine, bundle)
    replace(bundle / "configs" / "train.yaml", ITERATIONS, "iterations_per_epoch: 2\n")
    # two of them for validation, one for each process
    cases = [{"image": str(scans.image(name)), "label": str(scans.label(name))} for name in scans.names]
    request = {"force_multi_gpu": True, "gpus": "0,1", "max_epochs": 1, "val_split": 0.34}
    before = torch.load(bundle / "models" / "model.pt", weights_only=True)
    elsewhere, log = tmp_path / "elsewhere", tmp_path / "log.txt"
    elsewhere.mkdir()
    command = [environment / "bin" / "python", "-c", TRAINING, json.dumps([str(bundle), cases, request])]
    variables = {**server_variables(environment, elsewhere), "OMP_NUM_THREADS": "1"}
    with (
        log.open("w") as output,
        ending_with_us(command, cwd=elsewhere, env=variables, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        assert process.wait(TASK_SECONDS) == 0, log.read_text()[-3000:]
    said = log.read_text()
    assert "RUNNING COMMAND:: ['torchrun', '--standalone', '--nnodes=1', '--nproc_per_node=2'" in said
    assert "Return code: 0" in said, said[-3000:]
    after = torch.load(bundle / "models" / "model.pt", weights_only=True)
    assert read_plan(bundle / "models" / "plan.yaml")["training"]["iterations_per_epoch"] == 2
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert all(bool(torch.isfinite(value).all()) for value in after.values())
