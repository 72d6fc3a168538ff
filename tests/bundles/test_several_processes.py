"""torchrun with two processes and gloo on CPUs logs what one process logs."""

import os
import subprocess
from pathlib import Path

import pytest
import torch

from .conftest import rows, weights

UNLIKE = ("seconds",)  # the only column that may differ


@pytest.mark.slow
@pytest.mark.usefixtures("quick_commands")
@pytest.mark.parametrize(
    ("alone", "together", "report", "columns"),
    [
        ("trained", "batseg", "", {"gradient_norm/boundary_aware", "validation/hd95_mm/bright"}),
        ("trained_flare", "flare", "validation", {"loss/segmentation", "validation/nsd/bright"}),
    ],
)
def test_two_processes_agree_with_one(request, alone, together, report, columns):
    """Up to the order of float32 sums: the patches of every batch are the same, shared by the processes."""
    bundles = [request.getfixturevalue(name) for name in (alone, together)]
    bundle = bundles[1]
    command = ["python", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "monai.bundle", "run", "--config_file", str(bundle.files("train", "multi_gpu_train"))]
    for key, value in bundle.options("train").items():
        command += [f"--{key}", value]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(
        command, cwd=bundle.root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    one, two = (rows(bundle.work / "output" / "log.csv") for bundle in bundles)
    assert len(one) == len(two) == 2
    for row, shared in zip(one, two, strict=True):
        assert row.keys() == shared.keys()
        for column in row.keys() - set(UNLIKE):
            assert bool(shared[column]) == bool(row[column]), column
            if row[column]:
                assert float(shared[column]) == pytest.approx(float(row[column]), rel=1e-3), column
    assert columns <= one[-1].keys()
    assert len(list((bundle.work / "output" / "tensorboard").iterdir())) == 1, "the first process alone writes events"
    table = Path("output", report, "metrics_per_case.csv")
    cases = [[row["case"] for row in rows(bundle.work / table)] for bundle in bundles]
    assert cases[0] == cases[1]
    first, second = (weights(bundle.models) for bundle in bundles)
    assert first.keys() == second.keys(), "no prefix of DistributedDataParallel"
    assert all(torch.allclose(first[key], second[key], atol=1e-3) for key in first)
