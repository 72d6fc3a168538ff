"""What MONAI's own commands check of a bundle: metadata, network in and out, export."""

import json
import os
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from monai.bundle import ckpt_export, onnx_export, verify_metadata, verify_net_in_out
from monai.bundle.config_parser import ConfigParser

BUNDLES = ("batseg_spine",)
SECTIONS = (
    "Model Overview",
    "Data",
    "Training configuration",
    "Input",
    "Output",
    "Performance",
    "bundle commands",
    "References",
    "License",
)


@pytest.fixture(scope="session")
def schema(project) -> Path:
    """The metadata schema lies outside the project, with the facts it was built from."""
    file = Path(os.environ.get("MONAI_META_SCHEMA", project.parent / "shared" / "reference" / "metadata_schema.json"))
    if not file.is_file():
        pytest.skip(f"no metadata schema at {file}; set MONAI_META_SCHEMA to check the metadata against it")
    return file


def metadata(root) -> dict:
    return json.loads((root / "configs" / "metadata.json").read_text())


@pytest.mark.parametrize("name", BUNDLES)
def test_metadata_fit_the_schema(project, schema, name):
    verify_metadata(
        meta_file=str(project / "bundles" / name / "configs" / "metadata.json"),
        filepath=str(schema),
        result_path=None,
    )


@pytest.mark.parametrize("name", BUNDLES)
def test_metadata_agree_with_the_configs(project, name):
    root = project / "bundles" / name
    meta = metadata(root)
    assert meta["version"] in meta["changelog"]
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.yaml"))
    data = meta["network_data_format"]
    assert data["inputs"]["image"]["spatial_shape"] == parser.get_parsed_content("patch_size")
    names = ["background", *parser.get_parsed_content("class_names")]
    assert list(data["outputs"]["pred"]["channel_def"].values()) == names
    assert data["outputs"]["pred"]["num_channels"] == len(names)


@pytest.mark.parametrize("name", BUNDLES)
def test_files_and_sections(project, name):
    root = project / "bundles" / name
    for file in ("LICENSE", "docs/README.md", "docs/data_license.txt", "configs/logging.conf"):
        assert (root / file).stat().st_size > 0, file
    page = (root / "docs" / "README.md").read_text()
    assert not re.search(r"\b[A-Z]+_[A-Z]+\b(?!/)", page.replace("OUTPUT_DIR", "").replace("CASE_0000", "")), (
        "a placeholder"
    )
    headings = [line[2:].strip() for line in (root / "docs" / "README.md").read_text().splitlines() if line[:2] == "# "]
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)
    for file in root.rglob("*"):
        if (
            file.suffix in (".yaml", ".json", ".md", ".conf")
            and "data" not in file.parts
            and "output" not in file.parts
        ):
            assert "/home/" not in file.read_text(), f"{file} holds a personal path"


@pytest.mark.slow
def test_network_in_and_out(project):
    """The spine network on its own patch."""
    root = project / "bundles" / "batseg_spine" / "configs"
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(root / "metadata.json"),
        config_file=str(root / "inference.yaml"),
        device="cpu",
    )


def random_image() -> torch.Tensor:
    return torch.randn(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))


def eager(trained) -> torch.nn.Module:
    parser = ConfigParser()
    parser.read_config(trained.files("inference"))
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(trained.work / "models" / "model.pt", weights_only=True))
    return network.eval()


def test_torchscript_export_equals_eager(trained, tmp_path):
    ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(trained.work / "models" / "model.pt"),
        meta_file=str(trained.root / "configs" / "metadata.json"),
        config_file=trained.files("inference"),
    )
    image = random_image()
    with torch.no_grad():
        assert torch.allclose(torch.jit.load(tmp_path / "model.ts")(image), eager(trained)(image), atol=1e-5)


def test_onnx_export_equals_eager(trained, tmp_path):
    onnx_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.onnx"),
        ckpt_file=str(trained.work / "models" / "model.pt"),
        meta_file=str(trained.root / "configs" / "metadata.json"),
        config_file=trained.files("inference"),
        input_shape=[1, 1, 8, 8, 8],
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    image = random_image()
    result = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    with torch.no_grad():
        assert np.allclose(result, eager(trained)(image).numpy(), atol=1e-4)
