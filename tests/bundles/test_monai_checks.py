"""What MONAI's own commands check of a bundle, and what MONAI Label makes of it."""

import json
import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import onnxruntime
import pytest
import torch
from monai.bundle import ConfigWorkflow, ckpt_export, onnx_export, verify_metadata, verify_net_in_out
from monai.bundle.config_parser import ConfigParser
from monai.transforms import SaveImaged

from .conftest import weights

BUNDLES = ("batseg_spine", "flare_pseudolabel")
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
    assert not re.search(r"^[A-Z]+$", page, re.MULTILINE), "a placeholder"
    headings = [line[2:].strip() for line in (root / "docs" / "README.md").read_text().splitlines() if line[:2] == "# "]
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)
    for file in root.rglob("*"):
        if (
            file.suffix in (".yaml", ".json", ".md", ".conf")
            and "data" not in file.parts
            and "output" not in file.parts
        ):
            assert "/home/" not in file.read_text(), f"{file} holds a personal path"


@pytest.mark.parametrize("name", [pytest.param(BUNDLES[0], marks=pytest.mark.slow), BUNDLES[1]])
def test_network_in_and_out(project, name):
    """The shipped network on its own patch."""
    root = project / "bundles" / name / "configs"
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(root / "metadata.json"),
        config_file=str(root / "inference.yaml"),
        device="cpu",
    )


def random_image() -> torch.Tensor:
    return torch.randn(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))


def eager(bundle) -> torch.nn.Module:
    network = bundle.parser("inference").get_parsed_content("network_def")
    network.load_state_dict(weights(bundle.work / "models"))
    return network.eval()


def test_torchscript_export_equals_eager(trained_bundle, tmp_path):
    ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(trained_bundle.work / "models" / "model.pt"),
        meta_file=str(trained_bundle.root / "configs" / "metadata.json"),
        config_file=trained_bundle.files("inference"),
    )
    image = random_image()
    with torch.no_grad():
        assert torch.allclose(torch.jit.load(tmp_path / "model.ts")(image), eager(trained_bundle)(image), atol=1e-5)


def test_onnx_export_equals_eager(trained_bundle, tmp_path):
    onnx_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.onnx"),
        ckpt_file=str(trained_bundle.work / "models" / "model.pt"),
        meta_file=str(trained_bundle.root / "configs" / "metadata.json"),
        config_file=trained_bundle.files("inference"),
        input_shape=[1, 1, 8, 8, 8],
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    image = random_image()
    result = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    with torch.no_grad():
        assert np.allclose(result, eager(trained_bundle)(image).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("names", "kind"), [(["train"], "train"), (["train", "evaluate"], "train"), (["inference"], "infer")]
)
def test_properties(trained_bundle, names, kind):
    workflow = ConfigWorkflow(
        config_file=trained_bundle.files(*names),
        workflow_type=kind,
        meta_file=str(trained_bundle.root / "configs" / "metadata.json"),
        logging_file=str(trained_bundle.root / "configs" / "logging.conf"),
        **trained_bundle.options(),
    )
    workflow.initialize()
    assert workflow.check_properties() == []


def served(bundle, file: Path, training: bool) -> torch.Tensor:
    """The label map as MONAI Label makes it: parts of the config used one by one, without the evaluator.

    Network, transforms and inferer are taken from the config, with `device` as a string. Transforms are called one
    after the other, without a `SaveImaged`. Nothing is batched but the image that the inferer gets.
    """
    parser = bundle.parser("inference", device="cpu")
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(weights(bundle.work / "models"))
    data = {"image": str(file)}
    for transform in parser.get_parsed_content("preprocessing").transforms:
        data = transform(data)
    with torch.no_grad():
        output = parser.get_parsed_content("inferer")(data["image"][None], network.train(training))
    assert isinstance(output, torch.Tensor), "one tensor, no list and no dictionary"
    data["pred"] = output[0]
    for transform in parser.get_parsed_content("postprocessing").transforms:
        if not isinstance(transform, SaveImaged):
            data = transform(data)
    return data["pred"]


def test_served_by_monai_label_the_label_map_is_that_of_inference(trained_bundle, tmp_path):
    """Also with the network in training mode, as its active learning calls it."""
    trained_bundle.run("inference", output_dir=str(tmp_path))
    files = sorted((trained_bundle.dataset / "imagesTr").iterdir())[:2]
    for file, training in zip(files, (False, True), strict=True):
        label = served(trained_bundle, file, training)
        expected = nib.load(tmp_path / file.name)
        assert label.shape == (1, *expected.shape), "MONAI Label's own resizing has nothing left to do"
        assert np.allclose(label.affine, expected.affine, atol=1e-5)
        assert np.array_equal(label[0].numpy(), np.asarray(expected.dataobj))
