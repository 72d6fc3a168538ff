"""What MONAI and its model zoo ask of a bundle."""

import numpy as np
import onnxruntime
import pytest
import torch
from monai.bundle import ckpt_export, onnx_export

from custom.verify.bundle_folder import BundleFolder
from custom.verify.verifying import CHECKS, FAILED, verdict_of

from .conftest import weights

BUNDLES = ("batseg_spine", "flare_pseudolabel")
# documented commands take half a minute, what the spine's large network does up to a quarter
SLOW = {(name, "documented commands run") for name in BUNDLES} | {
    (BUNDLES[0], title) for title in ("network input and output", "TorchScript export", "ONNX export")
}


@pytest.mark.parametrize(
    ("name", "title"),
    [
        pytest.param(name, title, marks=[pytest.mark.slow] if (name, title) in SLOW else [])
        for name in BUNDLES
        for title in CHECKS
    ],
)
def test_verify(project, tmp_path, name, title):
    """The checks of `python -m custom verify`, on the bundles as they are shipped."""
    verdict = verdict_of(CHECKS[title], BundleFolder(project / "bundles" / name, tmp_path))
    assert not verdict.startswith(FAILED), verdict


def random_image() -> torch.Tensor:
    return torch.randn(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))


def eager(bundle) -> torch.nn.Module:
    network = bundle.parser("inference").get_parsed_content("network_def")
    network.load_state_dict(weights(bundle.models))
    return network.eval()


def test_torchscript_export_equals_eager(trained_bundle, tmp_path):
    ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(trained_bundle.models / "model.pt"),
        meta_file=str(trained_bundle.root / "configs" / "metadata.json"),
        config_file=trained_bundle.files("inference"),
        checkpoint=str(trained_bundle.models / "model.pt"),
    )
    image = random_image()
    with torch.no_grad():
        assert torch.allclose(torch.jit.load(tmp_path / "model.ts")(image), eager(trained_bundle)(image), atol=1e-5)


def test_onnx_export_equals_eager(trained_bundle, tmp_path):
    onnx_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.onnx"),
        ckpt_file=str(trained_bundle.models / "model.pt"),
        meta_file=str(trained_bundle.root / "configs" / "metadata.json"),
        config_file=trained_bundle.files("inference"),
        checkpoint=str(trained_bundle.models / "model.pt"),
        input_shape=[1, 1, 8, 8, 8],
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    image = random_image()
    result = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    with torch.no_grad():
        assert np.allclose(result, eager(trained_bundle)(image).numpy(), atol=1e-4)
