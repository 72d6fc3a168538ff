"""Networks trained by both bundles, exported by `python -m custom export`, in and outside of the project."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec

import nibabel as nib
import numpy as np
import onnxruntime
import pytest
import torch
from monai.bundle import load_bundle_config

from custom.errors import InputError, find_input_error, input_error_message
from custom.export import export

from .conftest import weights

ENDINGS = ("ts", "pt2", "onnx")
OUTSIDE = """
import json, sys
sys.modules["custom"] = sys.modules["monai"] = None  # neither can be imported
import torch
file, image, output = sys.argv[1:]
files = dict.fromkeys(("metadata.json", "inference.json", "export.json"), "")
if file.endswith(".ts"):
    network = torch.jit.load(file, _extra_files=files)
else:
    network = torch.export.load(file, extra_files=files).module()
with torch.no_grad():
    torch.save(network(torch.load(image)), output)
print(json.dumps({name: json.loads(text) for name, text in files.items()}))
"""


def exported(bundle, output, **options) -> str:
    model = str(bundle.work / "models" / "model.pt")
    return export(str(bundle.root), str(output), **{"checkpoint": model, "overlays": str(bundle.overlay), **options})


@pytest.fixture(scope="module")
def two_scans(tiny_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    for file in sorted((tiny_dataset / "imagesTr").iterdir())[:2]:
        shutil.copy(file, folder)
    return folder


@pytest.mark.parametrize("ending", ENDINGS)
def test_inference_with_the_exported_network_gives_the_same_label_maps(trained_bundle, two_scans, tmp_path, ending):
    """Windows at the borders, several at once, mirrored: whatever the inferer asks for."""
    file = exported(trained_bundle, tmp_path / f"model.{ending}")
    options = {"dataset_dir": str(two_scans), "mirrored": "true", "mirror_axes": [0]}
    trained_bundle.run("inference", output_dir=str(tmp_path / "eager"), **options)
    trained_bundle.run(
        "inference", "inference_exported", output_dir=str(tmp_path / "exported"), exported=file, **options
    )
    for scan in two_scans.iterdir():
        one, other = (nib.load(tmp_path / kind / scan.name) for kind in ("eager", "exported"))
        assert np.array_equal(one.affine, other.affine)
        assert np.array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
    assert len(list((tmp_path / "exported").iterdir())) == 2


@pytest.mark.parametrize("ending", ["ts", "pt2"])
def test_pytorch_alone_loads_the_network_and_its_configs(trained_bundle, tmp_path, ending):
    file = exported(trained_bundle, tmp_path / f"model.{ending}", settings={"spacing": [1.5, 1.0, 1.0]})
    network = trained_bundle.parser("inference").get_parsed_content("network_def")
    network.load_state_dict(weights(trained_bundle.work / "models"))
    image = torch.randn(3, 1, 8, 12, 16, generator=torch.Generator().manual_seed(0))
    torch.save(image, tmp_path / "image.pt")
    command = [sys.executable, "-c", OUTSIDE, file, str(tmp_path / "image.pt"), str(tmp_path / "output.pt")]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    with torch.no_grad():
        expected = network.eval()(image)
    assert torch.allclose(torch.load(tmp_path / "output.pt"), expected, atol=1e-5)
    files = json.loads(result.stdout)
    assert files["inference.json"]["network_def"]["_target_"].startswith("custom.networks.")
    assert "channel_def" in json.dumps(files["metadata.json"])
    assert files["export.json"]["spacing"] == files["export.json"]["export"]["spacing"] == [1.5, 1.0, 1.0]
    assert files["export.json"]["export"]["class_names"] == ["dark", "bright"]
    assert files["export.json"]["export"]["sizes_are_multiples_of"] == [4, 4, 4]
    statistics = trained_bundle.work / "models" / "intensity.json"
    carried = files["export.json"]["export"].get("intensity")
    assert carried == (json.loads(statistics.read_text()) if statistics.exists() else None)


def test_monai_reads_the_configs_in_a_torchscript_archive(trained, tmp_path):
    file = exported(trained, tmp_path / "model.ts")
    parser = load_bundle_config(file, "inference.json", "tiny.json")
    assert parser.get_parsed_content("class_names") == ["dark", "bright"]


def test_an_onnx_file_carries_its_configs_and_takes_other_sizes(trained, tmp_path):
    session = onnxruntime.InferenceSession(exported(trained, tmp_path / "model.onnx"))
    carried = session.get_modelmeta().custom_metadata_map
    assert json.loads(carried["tiny.json"])["class_names"] == ["dark", "bright"]
    assert json.loads(carried["export.json"])["export"]["format"] == "onnx"
    assert session.run(["pred"], {"image": np.zeros((3, 1, 16, 8, 12), np.float32)})[0].shape == (3, 3, 16, 8, 12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output": "model.pth"}, "model.pth: the ending tells the format; use one of .ts (torchscript)"),
        ({"bundle": "/nowhere"}, "/nowhere/configs/metadata.json does not exist: pass the folder of a bundle"),
        ({"overlays": "tinny"}, "tinny.yaml does not exist: pass the folder of a bundle and names of its configs"),
        ({"settings": "filters"}, "settings is 'filters'; pass a mapping, such as"),
        ({"settings": {"speed": 3}}, "the inference config has no setting 'speed'"),
        ({"checkpoint": "/nowhere.pt"}, "no trained weights at /nowhere.pt"),
        ({"overlays": ""}, "model.pt does not fit the network"),
    ],
)
def test_what_users_get_wrong_is_told_in_one_line_and_leaves_nothing(trained, tmp_path, options, words):
    defaults = {"bundle": str(trained.root), "output": "model.ts", "overlays": str(trained.overlay)}
    defaults["checkpoint"] = str(trained.work / "models" / "model.pt")
    chosen = {**defaults, **options}
    with pytest.raises(InputError) as caught:
        export(**{**chosen, "output": str(tmp_path / chosen["output"])})
    line = input_error_message(caught.value)
    assert words in line
    assert "\n" not in line
    assert list(tmp_path.iterdir()) == []


def test_the_weights_of_the_training_are_the_default(trained, tmp_path):
    file = exported(
        trained, tmp_path / "model.ts", checkpoint=None, settings={"ckpt_dir": str(trained.work / "models")}
    )
    first = next(iter(torch.jit.load(file).state_dict().values()))
    assert torch.equal(first, next(iter(weights(trained.work / "models").values())))


def test_the_exported_network_must_be_there(trained_bundle, two_scans, tmp_path):
    with pytest.raises(Exception) as caught:
        trained_bundle.run(
            "inference",
            "inference_exported",
            dataset_dir=str(two_scans),
            output_dir=str(tmp_path / "labels"),
            ckpt_dir="/nowhere",
            intensity_file=str(trained_bundle.work / "models" / "intensity.json"),
        )
    line = input_error_message(find_input_error(caught.value))
    assert line.startswith("no exported network at /nowhere/model.pt2: write it with `export` first")


@pytest.mark.skipif(find_spec("torch_tensorrt") is not None, reason="torch_tensorrt is installed: it is not missing")
def test_tensorrt_overlay_resolves_up_to_the_missing_library(trained_bundle, two_scans, tmp_path):
    options = {"dataset_dir": str(two_scans), "output_dir": str(tmp_path / "labels")}
    parser = trained_bundle.parser("inference", "inference_trt", **options)
    assert parser.get_parsed_content("exported") == str(trained_bundle.work / "models" / "model_trt.ts")
    assert parser.get_parsed_content("use_amp") is False
    assert len(parser.get_parsed_content("dataset")) == 2
    assert not any(isinstance(one, dict) for one in parser.get_parsed_content("preprocessing").transforms)
    with pytest.raises(Exception) as caught:
        trained_bundle.run("inference", "inference_trt", **options)
    line = input_error_message(find_input_error(caught.value))
    assert line.startswith("TensorRT needs the package torch_tensorrt")
    assert "leave out configs/inference_trt.yaml" in line
