"""Models that a bundle is shipped with: in its archive, and as archives of their own that state their scores."""

import json
import zipfile

import monai.bundle
import pytest
import torch

from custom.errors import InputError
from custom.release.add_model import add_model
from custom.release.release_command import release

from ..bundle_copies import seeded_training
from ..small_bundle import TINY_PLAN

SPINE = "batseg_spine"
PLAN = {**TINY_PLAN, "classes": ["left_part", "right_adrenal"], "distance_channels": 3}
STATED = {
    "origin": "nothing, of a seed",
    "data_license": "CC0",
    "scores": "{dice: {left_part: 0.5}, cases: 2 held out}",
    "command": "python -m monai.bundle run --config_file configs/train.yaml",
    "seed": 0,
}


@pytest.fixture
def shipped(copied, tmp_path):
    """A copy of the spine bundle with a model, and the folder of its training."""
    root = copied(SPINE)
    folder = seeded_training(root, tmp_path / "training", PLAN)
    add_model(root, "boxes", ckpt_dir=folder, half=True, **STATED)
    return root, folder


def test_a_release_carries_it_and_it_has_one_of_its_own(shipped, tmp_path, monkeypatch):
    root, folder = shipped
    dist = tmp_path / "dist"
    release(SPINE, output=str(dist), source=str(root.parent), url="https://host/files")
    assert {file.name for file in dist.glob("*.zip")} == {f"{SPINE}_v0.1.0.zip", "boxes_v0.1.0.zip"}
    assert set(json.loads((dist / "model_info.json").read_text())) == {f"{SPINE}_v0.1.0", "boxes_v0.1.0"}
    with zipfile.ZipFile(dist / f"{SPINE}_v0.1.0.zip") as archive:
        for name in ("model.pt", "plan.yaml", "model.yaml"):
            assert archive.read(f"{SPINE}/models/boxes/{name}") == (root / "models" / "boxes" / name).read_bytes()
    with zipfile.ZipFile(dist / "boxes_v0.1.0.zip") as archive:
        archive.extractall(tmp_path / "user")
    own = tmp_path / "user" / "boxes"
    metadata = json.loads((own / "configs" / "metadata.json").read_text())
    assert metadata["eval_metrics"] == {"origin": STATED["origin"], "dice left_part": 0.5, "cases": "2 held out"}
    assert "trained on: CC0" in (own / "docs" / "data_license.txt").read_text()
    monkeypatch.syspath_prepend(own)
    network = monai.bundle.load("boxes", bundle_dir=str(tmp_path / "user"), workflow_type="infer", device="cpu")
    weights = torch.load(folder / "model.pt", weights_only=True)
    for key, value in network.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.allclose(value, weights[key], rtol=1e-3, atol=1e-6)


def test_weights_that_are_not_those_of_the_model_are_not_released(shipped, tmp_path):
    root, _ = shipped
    (root / "models" / "boxes" / "model.pt").write_bytes(b"other")
    with pytest.raises(InputError, match=r"is another file than its model\.yaml is of"):
        release(SPINE, output=str(tmp_path / "dist"), source=str(root.parent))
