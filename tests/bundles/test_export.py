"""Networks trained by both bundles, exported by `python -m custom export`, in and outside of the project."""

from __future__ import annotations

import json
import shlex
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
from custom.plans import read_plan, write_plan

from ..readme_commands import header_commands
from ..small_bundle import OVERLAYS, TINY_PLAN
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
    return export(str(bundle.root), str(output), **{"ckpt_dir": str(bundle.models), **options})


def network_file(bundle, ending) -> str:
    """The bundle's exported network, written once."""
    file = bundle.work / "exported" / f"model.{ending}"
    return str(file) if file.exists() else exported(bundle, file)


@pytest.fixture(scope="module")
def two_scans(tiny_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    for file in sorted((tiny_dataset / "imagesTr").iterdir())[:2]:
        shutil.copy(file, folder)
    return folder


@pytest.mark.parametrize("ending", ENDINGS)
def test_inference_with_the_exported_network_gives_the_same_label_maps(trained_bundle, two_scans, tmp_path, ending):
    """Windows at the borders, several at once, mirrored: whatever the inferer asks for."""
    file = network_file(trained_bundle, ending)
    options = {"dataset_dir": str(two_scans), "mirrored": "true"}
    trained_bundle.run("inference", output_dir=str(tmp_path / "eager"), **options)
    options |= {"output_dir": str(tmp_path / "exported"), "exported": file, "ckpt_dir": "/nowhere"}
    trained_bundle.run("inference", "inference_exported", **options)
    for scan in two_scans.iterdir():
        one, other = (nib.load(tmp_path / kind / scan.name) for kind in ("eager", "exported"))
        assert np.array_equal(one.affine, other.affine)
        assert np.array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
    assert len(list((tmp_path / "exported").iterdir())) == 2


@pytest.mark.parametrize(
    ("trained_bundle", "ending"), [("trained", "ts"), ("trained_flare", "pt2")], indirect=["trained_bundle"]
)
def test_pytorch_alone_loads_the_network_and_its_configs(trained_bundle, tmp_path, ending):
    file = network_file(trained_bundle, ending)
    network = trained_bundle.parser("inference").get_parsed_content("network_def")
    network.load_state_dict(weights(trained_bundle.models))
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
    assert files["export.json"]["planned"] == read_plan(trained_bundle.models / "plan.yaml")
    assert files["export.json"]["export"]["sizes_are_multiples_of"] == [4, 4, 4]


def test_monai_reads_the_configs_in_a_torchscript_archive(trained):
    """With the plan of these weights in them."""
    parser = load_bundle_config(network_file(trained, "ts"), "inference.json")
    assert parser.get_parsed_content("class_names") == ["dark", "bright"]
    assert parser.get_parsed_content("spacing") == TINY_PLAN["spacing"]


def test_an_onnx_file_carries_its_configs_and_takes_other_sizes(trained):
    session = onnxruntime.InferenceSession(network_file(trained, "onnx"))
    carried = session.get_modelmeta().custom_metadata_map
    content = json.loads(carried["export.json"])
    assert content["planned"]["classes"] == ["dark", "bright"]
    assert content["export"]["format"] == "onnx"
    assert session.run(["pred"], {"image": np.zeros((3, 1, 16, 8, 12), np.float32)})[0].shape == (3, 3, 16, 8, 12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output": "model.pth"}, "model.pth: unknown ending; use one of .ts (torchscript)"),
        ({"bundle": "/nowhere"}, "/nowhere/configs/metadata.json: no such config; correct its name"),
        ({"checkpoint": "/nowhere.pt"}, "no trained weights at /nowhere.pt: pass the --ckpt_dir of a training"),
        ({"ckpt_dir": "lonely"}, "lonely/plan.yaml is missing: it says what "),
        ({"ckpt_dir": "edited"}, "edited/model.pt does not fit the network"),
    ],
)
def test_what_users_get_wrong_is_told_in_one_line_and_leaves_nothing(trained, tmp_path, options, words, monkeypatch):
    """Weights without their plan, and with one that somebody changed."""
    for name in ("lonely", "edited", "output"):
        (tmp_path / name).mkdir()
        shutil.copy(trained.models / "model.pt", tmp_path / name)
    write_plan(tmp_path / "edited" / "plan.yaml", {**TINY_PLAN, "distance_channels": 3, "classes": ["dark"]})
    (tmp_path / "output" / "model.pt").unlink()
    monkeypatch.chdir(tmp_path)
    defaults = {"bundle": str(trained.root), "output": "model.ts", "ckpt_dir": str(trained.models)}
    chosen = {**defaults, **options}
    with pytest.raises(InputError) as caught:
        export(**{**chosen, "output": str(tmp_path / "output" / chosen["output"])})
    line = input_error_message(caught.value)
    assert words in line
    assert "\n" not in line
    assert list((tmp_path / "output").iterdir()) == []


def test_an_output_below_a_file(trained, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file cannot be written \(.*\): pass another --output$"):
        exported(trained, tmp_path / "file" / "model.ts")


def refusal(bundle, folder, scans, **options) -> str:
    """What ends an inference with an exported network, which then leaves no label map."""
    with pytest.raises(Exception) as caught:
        bundle.run(
            "inference", "inference_exported", dataset_dir=str(scans), output_dir=str(folder / "labels"), **options
        )
    assert not list(folder.glob("labels/*"))
    return input_error_message(find_input_error(caught.value))


def test_the_exported_network_must_be_there(trained_bundle, two_scans, tmp_path):
    line = refusal(trained_bundle, tmp_path, two_scans, ckpt_dir="/nowhere")
    assert line.startswith("no exported network at /nowhere/model.pt2: write it with `export` first")


def test_values_that_contradict_the_file_are_refused(trained_bundle, two_scans, tmp_path):
    file = network_file(trained_bundle, "ts")
    line = refusal(trained_bundle, tmp_path, two_scans, exported=file, spacing=[2.0, 2.0, 2.0])
    assert line.startswith(f"{file} was trained with spacing [1.")
    assert "not [2.0, 2.0, 2.0]: leave that option out" in line


@pytest.mark.parametrize("ending", ["ts", "trt.ts"])
def test_the_record_of_a_run_names_the_network_that_was_used(trained_bundle, ending):
    overlay = "inference_trt" if ending == "trt.ts" else "inference_exported"
    file = str(trained_bundle.models / f"model_{ending}")
    parser = trained_bundle.parser("inference", overlay, exported=file)
    (record,) = (one for one in parser["handlers"] if one["_target_"] == "custom.engines.MLflowRecord")
    parser["record"] = record["parameters"]["checkpoint"]
    assert parser.get_parsed_content("record") == file


@pytest.mark.parametrize("overlay", ["inference_exported", "inference_trt"])
@pytest.mark.parametrize("bundle", OVERLAYS)
def test_the_commands_in_the_head_fit_each_other(project, bundle, overlay):
    """The second command names what the first wrote."""
    write, run = (shlex.split(one) for one in header_commands(project / f"bundles/{bundle}/configs/{overlay}.yaml"))
    given = write[write.index("--output" if "--output" in write else "--filepath") + 1]
    assert run[run.index("--exported") + 1] == given


@pytest.mark.skipif(find_spec("torch_tensorrt") is not None, reason="torch_tensorrt is installed: it is not missing")
def test_tensorrt_overlay_resolves_up_to_the_missing_library(trained_bundle, two_scans, tmp_path):
    options = {"dataset_dir": str(two_scans), "output_dir": str(tmp_path / "labels")}
    parser = trained_bundle.parser("inference", "inference_trt", **options)
    assert parser.get_parsed_content("exported") == str(trained_bundle.models / "model_trt.ts")
    assert parser.get_parsed_content("use_amp") is False
    assert len(parser.get_parsed_content("dataset")) == 2
    assert not any(isinstance(one, dict) for one in parser.get_parsed_content("preprocessing").transforms)
    with pytest.raises(Exception) as caught:
        trained_bundle.run("inference", "inference_trt", **options)
    line = input_error_message(find_input_error(caught.value))
    assert line.startswith("TensorRT needs the package torch_tensorrt")
    assert "leave out configs/inference_trt.yaml" in line
