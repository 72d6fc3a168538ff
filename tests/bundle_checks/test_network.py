"""The network of inference.yaml: its input and output, its weights and its exports."""

import numpy as np
import onnxruntime
import pytest
import torch
from monai.apps.utils import SUPPORTED_HASH_TYPES, check_hash
from monai.bundle import ckpt_export, onnx_export, verify_net_in_out

from custom.engines.large_files import download_command, listed_files
from custom.export.dynamic_sizes import least_sizes
from custom.release.weights import MODEL

NETWORK = "network_def"
SCRIPT = "models/model.ts"  # which MONAI Label prefers to the weights
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def network(bundle) -> torch.nn.Module:
    """With the bundle's weights, or those of a seed, as a flat dictionary of tensors that fits."""
    own = bundle.parser("inference").get_parsed_content(NETWORK)
    own.load_state_dict(torch.load(bundle.weights, map_location="cpu", weights_only=True), strict=True)
    return own.eval()


@pytest.fixture(scope="module")
def image(bundle, network) -> torch.Tensor:
    """As small as the network allows: exports do not depend on it."""
    stated = bundle.metadata["network_data_format"]["inputs"]["image"]
    sizes = least_sizes(bundle.module("networks").size_multiple(network), stated["spatial_shape"])
    return torch.randn(1, stated["num_channels"], *sizes, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def answer(network, image) -> torch.Tensor:
    with torch.no_grad():
        return network(image)


def options(bundle) -> dict:
    configs = {"config_file": bundle.files("inference"), "bundle_root": str(bundle.root)}
    return {"net_id": NETWORK, "meta_file": bundle.metadata_file, **configs}


def same(one, other) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=0, atol=TOLERANCE)


def test_output_is_what_the_metadata_say_of_an_image_that_they_state(bundle):
    verify_net_in_out(device="meta", **options(bundle))  # shapes and types, without memory or time


def test_weights_fit_the_network(bundle, network):
    if bundle.weights != bundle.root / MODEL:
        pytest.skip(f"no {MODEL}, which the model zoo asks for: exports are checked with weights of a seed")


def test_torchscript_export_answers_as_the_network(bundle, image, answer, tmp_path):
    file = str(tmp_path / "model.ts")
    ckpt_export(filepath=file, ckpt_file=str(bundle.weights), **options(bundle))
    with torch.no_grad():
        assert same(torch.jit.load(file)(image), answer)


def test_onnx_export_answers_as_the_network(bundle, image, answer, tmp_path):
    file = str(tmp_path / "model.onnx")
    onnx_export(filepath=file, ckpt_file=str(bundle.weights), input_shape=list(image.shape), **options(bundle))
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert same(session.run(None, {session.get_inputs()[0].name: image.numpy()})[0], answer.numpy())


def test_the_shipped_torchscript_file_answers_as_the_weights(bundle, image, answer):
    if not (bundle.root / SCRIPT).is_file():
        pytest.skip(f"no {SCRIPT}, which is optional")
    with torch.no_grad():
        own = torch.jit.load(bundle.root / SCRIPT, map_location="cpu").eval()(image)
    assert own.shape == answer.shape
    assert same(own, answer) or not (bundle.root / MODEL).is_file(), "export it again from these weights, or remove it"


def test_large_files_are_those_of_the_release(root):
    entries = listed_files(root)
    for entry in entries:
        file = root / entry["path"]
        assert file.resolve().is_relative_to(root), "it would be downloaded to another place"
        assert entry.get("hash_val") and entry.get("hash_type") in SUPPORTED_HASH_TYPES
        if file.is_file():
            assert check_hash(file, entry["hash_val"], entry["hash_type"]), f"remove it, then {download_command(root)}"
    absent = [entry["path"] for entry in entries if not (root / entry["path"]).is_file()]
    if absent:
        pytest.skip(f"{', '.join(absent)} not here: {download_command(root)}")
