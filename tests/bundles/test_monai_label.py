"""What MONAI Label makes of the configs, without its server (which tests/monai_label starts)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.bundle import run as run_bundle
from monai.transforms import LoadImaged, SaveImaged

from custom.engines import default_device
from custom.plans import PLAN_FILE, read_plan, write_plan

from .conftest import Bundle, equal, weights

EPOCHS = 1


def served(bundle: Bundle, file: Path, training: bool) -> torch.Tensor:
    """The label map as MONAI Label makes it: parts of the config used one by one, without the evaluator.

    Network, transforms and inferer are taken from the config, with `device` as a string. Transforms are called one
    after the other on a request that holds more than the image, without a `SaveImaged`. Nothing is batched but the
    image that the inferer gets.
    """
    parser = bundle.parser("inference", device="cpu")
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(weights(bundle.models))
    data: dict[str, Any] = {
        "image": str(file),
        "image_path": str(file),
        "device": "cpu",
        "model_filename": ["model.pt"],
    }
    for transform in parser.get_parsed_content("preprocessing").transforms:
        if isinstance(transform, LoadImaged):
            transform._loader.image_only = False
        data = transform(data)
    with torch.no_grad():
        output = parser.get_parsed_content("inferer")(data["image"][None], network.train(training))
    assert isinstance(output, torch.Tensor), "one tensor, no list and no dictionary"
    data["pred"] = output[0]
    for transform in parser.get_parsed_content("postprocessing").transforms:
        if not isinstance(transform, SaveImaged):
            data = transform(data)
    assert data["image_path"] == str(file), "by which MONAI Label names what it writes"
    return data["pred"]


def test_the_served_label_map_is_that_of_inference(trained_bundle, tmp_path):
    """Also with the network in training mode, as active learning calls it."""
    trained_bundle.run("inference", output_dir=str(tmp_path))
    files = sorted((trained_bundle.dataset / "imagesTr").iterdir())[:2]
    for file, training in zip(files, (False, True), strict=True):
        label = served(trained_bundle, file, training)
        expected = nib.load(tmp_path / file.name)
        assert label.shape == (1, *expected.shape), "MONAI Label's own resizing has nothing left to do"
        assert np.allclose(label.affine, expected.affine, atol=1e-5)
        assert np.array_equal(label[0].numpy(), np.asarray(expected.dataobj))


def test_the_network_takes_dropout_and_the_same_weights(trained_bundle):
    """MONAI Label's epistemic scoring adds it to the network's arguments."""
    parser = trained_bundle.parser("inference")
    parser["network_def"]["dropout"] = 0.2
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(weights(trained_bundle.models))
    torch.manual_seed(0)
    image = torch.rand(1, 1, 8, 8, 8)
    inferer = parser.get_parsed_content("inferer")
    inferer.return_grid = "network"  # of the FLARE inferer: the image does not know its grid
    with torch.no_grad():
        first, second = (inferer(image, network.train()).float() for _ in range(2))
        still = [network.eval()(image) for _ in range(2)]
    assert first.shape == second.shape
    assert torch.equal(*still), "outside training mode dropout does nothing"


def items(dataset: Path) -> list[dict[str, str]]:
    """Image and label, and nothing else, of every case."""
    names = sorted(file.name for file in (dataset / "labelsTr").iterdir())
    return [{kind: str(dataset / f"{kind}sTr" / name) for kind in ("image", "label")} for name in names]


@pytest.mark.parametrize(("run_id", "held_out"), [("run", 2), ("", 2), ("", 0)])
def test_a_training_from_image_and_label_alone(trained_bundle, tmp_path, monkeypatch, run_id, held_out):
    """An empty run_id, which 3D Slicer sends, evaluates every entry of train.yaml; there is no data set behind it."""
    monkeypatch.setenv("PYTHONPATH", "")  # see displayable_configs
    models = tmp_path / "models"
    shutil.copytree(trained_bundle.models, models)
    before, trained_plan = weights(models), read_plan(models / PLAN_FILE)
    handlers = trained_bundle.parser("train").get()["train"]["handlers"]
    assert all(isinstance(handler, dict) for handler in handlers), "each is asked for its _target_"
    loader = {"load_path": str(models / "model.pt"), "load_dict": {"model": "$@network"}, "strict": False}
    cases = items(trained_bundle.dataset)
    default = trained_bundle.parser("train")["default_plan"]
    write_plan(tmp_path / "configs" / "plans" / f"{default}.yaml", read_plan(trained_bundle.plan))
    shown = {"lower": -1.0, "upper": 9.0, "mean": 2.0, "sd": 3.0} if trained_plan["normalisation"] == "ct" else None
    write_plan(models / PLAN_FILE, trained_plan | {"intensity": shown})
    run_bundle(
        run_id=run_id,
        init_id=None,
        final_id=None,
        config_file=trained_bundle.files("train"),
        meta_file=str(trained_bundle.root / "configs" / "metadata.json"),
        **{
            "bundle_root": str(tmp_path),
            "device": "cpu",
            "train#trainer#max_epochs": EPOCHS,
            "train#dataset#data": cases[held_out:],
            "train#handlers": [{"_target_": "CheckpointLoader", **loader}, *handlers],
            "validate#dataset#data": cases[:held_out],
        },
    )
    after = weights(models)
    assert before.keys() == after.keys()
    assert not equal(before, after)
    assert read_plan(models / PLAN_FILE)["intensity"] == shown, "the weights know no other, and the server runs on"
    shortest = min((file.name for file in models.glob("*.pt")), key=len)
    assert shortest == "model.pt", "which MONAI Label loads"


def test_processes_that_a_training_starts_find_the_code(trained_bundle, monkeypatch):
    """MONAI Label starts torchrun without the bundle's folder; before, it asks train.yaml for options to display.

    It does so whenever a viewer asks for the options, in one process.
    """
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/elsewhere", ""]))
    for _ in range(2):
        parser = ConfigParser()
        parser.read_config(str(trained_bundle.root / "configs" / "train.yaml"))
        parser.config.update({"bundle_root": str(trained_bundle.root)})
        assert parser.get("displayable_configs"), "else it is not asked for"
        assert parser.get_parsed_content("displayable_configs", instantiate=True) == {}
    assert os.environ["PYTHONPATH"].split(os.pathsep) == ["/elsewhere", str(trained_bundle.root)]


def test_each_of_several_processes_has_its_own_device(trained_bundle, tmp_path):
    """MONAI Label writes one device for all into the config that multi_gpu_train.yaml is laid over."""
    given = tmp_path / "given.yaml"
    given.write_text("device: meta\n")
    train, over = trained_bundle.files("train", "multi_gpu_train")[:2]
    parser = ConfigParser()
    parser.read_config([train, str(given), over])
    assert parser.get_parsed_content("device") == default_device()
