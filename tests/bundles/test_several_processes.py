"""torchrun with two processes and gloo on CPUs logs what one process logs."""

import csv
import os
import subprocess
import sys

import pytest
import torch

UNLIKE = ("seconds",)  # the only column that may differ


def rows(file) -> list[dict[str, str]]:
    with file.open() as lines:
        return list(csv.DictReader(lines))


@pytest.mark.slow
def test_two_processes_agree_with_one(trained, batseg):
    """Up to the order of float32 sums: the patches of every batch are the same, shared by the processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "monai.bundle", "run", "--config_file", str(batseg.files("train", "multi_gpu_train"))]
    for key, value in batseg.options().items():
        command += [f"--{key}", value]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(
        command, cwd=batseg.root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    one, two = (rows(bundle.work / "output" / "log.csv") for bundle in (trained, batseg))
    assert len(one) == len(two) == 2
    for alone, shared in zip(one, two, strict=True):
        assert alone.keys() == shared.keys()
        for column in alone.keys() - set(UNLIKE):
            assert bool(shared[column]) == bool(alone[column]), column
            if alone[column]:
                assert float(shared[column]) == pytest.approx(float(alone[column]), rel=1e-3), column
    assert {"gradient_norm/boundary_aware", "validation/hd95_mm/bright"} <= one[-1].keys()
    cases = [[row["case"] for row in rows(b.work / "output" / "metrics_per_case.csv")] for b in (trained, batseg)]
    assert cases[0] == cases[1]
    alone, shared = (torch.load(b.work / "models" / "model.pt", weights_only=True) for b in (trained, batseg))
    assert alone.keys() == shared.keys(), "no prefix of DistributedDataParallel"
    assert all(torch.allclose(alone[key], shared[key], atol=1e-3) for key in alone)
