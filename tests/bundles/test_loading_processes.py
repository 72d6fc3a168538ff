"""Scans are loaded in processes that are not forked, as on macOS, on Windows and with Python 3.14."""

from __future__ import annotations

import pickle
import subprocess
import sys
from textwrap import dedent

import pytest
import torch

from ..small_bundle import CASES

INTENSITY = {"lower": -3.0, "upper": 3.0, "mean": 0.0, "sd": 1.0}
LOADED = [
    ("train#dataset", ("train",)),
    ("validate#dataset", ("train",)),
    ("validate#dataset", ("train", "evaluate")),
    ("dataset", ("inference",)),
]


@pytest.fixture(params=["batseg", "flare"])
def bundle(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(("entry", "configs"), LOADED, ids=["train", "validate", "evaluate", "inference"])
def test_what_loads_scans_can_be_sent(bundle, entry, configs):
    bundle.save_plan(intensity=INTENSITY)
    others = {"other_data": True} if "evaluate" in configs else {}  # no training has kept folds here
    parser = bundle.parser(*configs, intensity=INTENSITY, **others)
    dataset = parser.get_parsed_content(entry)
    sent = pickle.loads(pickle.dumps(dataset))
    one, other = dataset[0], sent[0]
    assert one.keys() == other.keys()
    assert torch.equal(torch.as_tensor(one["image"]), torch.as_tensor(other["image"]))


@pytest.mark.slow
@pytest.mark.parametrize(("bundle", "way"), [("batseg", "spawn"), ("flare", "forkserver")], indirect=["bundle"])
def test_training_and_inference_with_such_processes(bundle, tmp_path, way):
    runs = [
        (bundle.files("train"), bundle.options("train", epochs=1, iterations_per_epoch=2, num_workers=1)),
        (
            bundle.files("inference"),
            bundle.options("inference", output_dir=str(tmp_path / way), mirrored=False, num_workers=1),
        ),
    ]
    program = dedent(
        """
        import multiprocessing, sys
        multiprocessing.set_start_method(sys.argv[1])
        multiprocessing.set_forkserver_preload(["monai.bundle", "custom.transforms"])  # which importing takes longest
        from monai.bundle import run
        """
    )
    program += "".join(f"run(config_file={files!r}, **{options!r})\n" for files, options in runs)
    result = subprocess.run(
        [sys.executable, "-c", program, way], cwd=bundle.root, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert len(list((tmp_path / way).iterdir())) == CASES
