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

from ..readme_commands import header_commands
from ..small_bundle import OVERLAYS
from .conftest import weights

ENDINGS = ("ts", "pt2", "onnx")
SETTINGS = {"mirror_axes": [0]}  # otherwise than the configs have it
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
    return export(str(bundle.root), str(output), **{"weights": model, "overlays": str(bundle.overlay), **options})


def network_file(bundle, ending) -> str:
    """The bundle's exported network, written once."""
    file = bundle.work / "exported" / f"model.{ending}"
    return str(file) if file.exists() else exported(bundle, file, settings=SETTINGS)


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
    options = {"dataset_dir": str(two_scans), "mirrored": "true", **SETTINGS}
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
    file = network_file(trained_bundle, ending)
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
    assert {name: files["export.json"][name] for name in SETTINGS} == SETTINGS
    assert files["export.json"]["export"]["spacing"] == trained_bundle.parser("inference")["spacing"]
    assert files["export.json"]["export"]["class_names"] == ["dark", "bright"]
    assert files["export.json"]["export"]["sizes_are_multiples_of"] == [4, 4, 4]
    statistics = trained_bundle.work / "models" / "intensity.json"
    carried = files["export.json"]["export"].get("intensity")
    assert carried == (json.loads(statistics.read_text()) if statistics.exists() else None)


def test_monai_reads_the_configs_in_a_torchscript_archive(trained):
    parser = load_bundle_config(network_file(trained, "ts"), "inference.json", "tiny.json")
    assert parser.get_parsed_content("class_names") == ["dark", "bright"]


def test_an_onnx_file_carries_its_configs_and_takes_other_sizes(trained):
    session = onnxruntime.InferenceSession(network_file(trained, "onnx"))
    carried = session.get_modelmeta().custom_metadata_map
    assert json.loads(carried["tiny.json"])["class_names"] == ["dark", "bright"]
    assert json.loads(carried["export.json"])["export"]["format"] == "onnx"
    assert session.run(["pred"], {"image": np.zeros((3, 1, 16, 8, 12), np.float32)})[0].shape == (3, 3, 16, 8, 12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output": "model.pth"}, "model.pth: the ending tells the format; use one of .ts (torchscript)"),
        ({"bundle": "/nowhere"}, "/nowhere has no configs/metadata.json: pass the folder of a bundle"),
        ({"overlays": "tinny.yaml"}, "--overlays tinny.yaml: there is neither a file tinny.yaml nor "),
        ({"settings": "filters"}, "--settings 'filters': pass a mapping, such as"),
        ({"settings": {"speed": 3}}, "--settings: the configs have no 'speed'; correct its name"),
        ({"settings": {"num_classes": "three"}}, "network_def of the inference config cannot be made"),
        ({"weights": "/nowhere.pt"}, "no trained weights at /nowhere.pt: pass the --overlays and --settings"),
        ({"overlays": ""}, "model.pt does not fit the network"),
        ({"settings": {"spacing": [1, 1, 1]}}, "was trained with spacing [1.5, 1.1, 1.0], not [1, 1, 1]: pass the"),
    ],
)
def test_what_users_get_wrong_is_told_in_one_line_and_leaves_nothing(trained, tmp_path, options, words):
    defaults = {"bundle": str(trained.root), "output": "model.ts", "overlays": str(trained.overlay)}
    defaults["weights"] = str(trained.work / "models" / "model.pt")
    chosen = {**defaults, **options}
    with pytest.raises(InputError) as caught:
        export(**{**chosen, "output": str(tmp_path / chosen["output"])})
    line = input_error_message(caught.value)
    assert words in line
    assert "\n" not in line
    assert list(tmp_path.iterdir()) == []


def test_an_output_below_a_file(trained, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file cannot be written \(.*\): pass another --output$"):
        exported(trained, tmp_path / "file" / "model.ts")


def test_the_weights_of_the_training_are_the_default(trained, tmp_path):
    file = exported(trained, tmp_path / "model.ts", weights="", settings={"ckpt_dir": str(trained.work / "models")})
    first = next(iter(torch.jit.load(file).state_dict().values()))
    assert torch.equal(first, next(iter(weights(trained.work / "models").values())))


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


@pytest.mark.parametrize("ending", ["ts", "onnx"])
def test_the_other_bundles_network_is_refused(trained, trained_flare, two_scans, tmp_path, ending):
    """Same classes, channels and, in the end, spacing: only the axes tell them apart, and the labels would be wrong."""
    for bundle, other, axes in ((trained, trained_flare, "SAR, not RAS"), (trained_flare, trained, "RAS, not SAR")):
        file = network_file(other, ending)
        own, theirs = (one.parser("inference")["spacing"] for one in (bundle, other))
        line = refusal(bundle, tmp_path, two_scans, exported=file)
        assert line.startswith(f"{file} is a network of spacing {theirs}, not {own}: pass the configs and settings")
        line = refusal(bundle, tmp_path, two_scans, exported=file, spacing=theirs)
        assert line.startswith(f"{file} is a network of axes {axes}: ")


def test_ct_is_normalised_with_the_statistics_in_the_file(trained_flare, tmp_path):
    own = json.loads((trained_flare.work / "models" / "intensity.json").read_text())
    (tmp_path / "intensity.json").write_text(json.dumps({**own, "mean": own["mean"] + 100}))
    options = {"ckpt_dir": str(tmp_path), "exported": network_file(trained_flare, "ts")}
    parser = trained_flare.parser("inference", "inference_exported", **options)
    assert parser.get_parsed_content("intensity") == own
    plain = trained_flare.parser("inference", ckpt_dir=str(tmp_path))
    assert plain.get_parsed_content("intensity") != own


@pytest.mark.parametrize("overlay", ["inference_exported", "inference_trt"])
def test_the_record_of_a_run_names_the_network_that_was_used(trained_bundle, overlay):
    parser = trained_bundle.parser("inference", overlay, exported="/some/model.ts")
    (record,) = [
        number
        for number, handler in enumerate(parser["handlers"])
        if handler["_target_"] == "custom.engines.MLflowRecord"
    ]
    assert parser.get_parsed_content(f"handlers#{record}#parameters#0#checkpoint") == "/some/model.ts"


@pytest.mark.parametrize("overlay", ["inference_exported", "inference_trt"])
@pytest.mark.parametrize("bundle", OVERLAYS)
def test_the_commands_in_the_head_fit_each_other_with_any_overlay(project, bundle, overlay):
    """An overlay of a data set moves the folder of weights: the second command names what the first wrote."""
    write, run = (shlex.split(one) for one in header_commands(project / f"bundles/{bundle}/configs/{overlay}.yaml"))
    given = write[write.index("--output" if "--output" in write else "--filepath") + 1]
    assert run[run.index("--exported") + 1] == given


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
