"""A training as a bundle of its own: equal to the bundle with its overlays, complete, and none of other weights."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from jsonschema import Draft201909Validator
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle import run as run_bundle

from custom.errors import InputError
from custom.release.metadata_schema import metadata_schema
from custom.release.trained_bundle import trained_bundle

from ..bundles.conftest import AFFINE, write_dataset
from .conftest import fresh_weights

SPINE = "batseg_spine"
SMALL = {
    "data_tag": "boxes",
    "method_tag": "small",
    "class_names": ["left_part", "right_adrenal"],
    "spacing": [1.5, 1.1, 1.0],
    "patch_size": [8, 8, 8],
    "filters": [4, 8, 16],
    "strides": [1, 2, 2],
    "kernel_size": [3, 3, 3],
    "num_workers": 0,
}
NAMES = ["background", "left part", "right adrenal gland"]


@pytest.fixture
def trained(copied):
    """A copy of the spine bundle, with the overlay of a training among its configs and the weights in its folder."""
    root = copied(SPINE)
    overlay = root / "configs" / "small.yaml"
    overlay.write_text(yaml.safe_dump(SMALL))
    model = root / "models" / "boxes" / "small" / "model.pt"
    fresh_weights([root / "configs" / "inference.yaml", overlay], model)
    return root


def infer(root, scan, output, *overlays) -> np.ndarray:
    run_bundle(
        config_file=[str(root / "configs" / "inference.yaml"), *map(str, overlays)],
        meta_file=str(root / "configs" / "metadata.json"),
        bundle_root=str(root),
        dataset_dir=str(scan),
        output_dir=str(output),
    )
    return np.asarray(nib.load(output / scan.name).dataobj)


def test_it_labels_as_the_bundle_with_its_overlays(trained, tmp_path, monkeypatch):
    scan = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(np.random.RandomState(0).rand(12, 14, 16).astype(np.float32), AFFINE), scan)
    expected = infer(trained, scan, tmp_path / "expected", trained / "configs" / "small.yaml")
    assert len(np.unique(expected)) > 1
    own = tmp_path / "served" / "boxes_1"
    trained_bundle(str(trained), str(own), "small")
    monkeypatch.syspath_prepend(own)  # as MONAI puts a bundle's folder there
    label = infer(own, scan, tmp_path / "label")
    assert np.array_equal(label, expected)
    assert "custom." not in (own / "configs" / "inference.yaml").read_text().replace("boxes_1_0_1_0.", "")


def test_everything_of_a_bundle_is_there_and_nothing_of_other_trainings(trained, tmp_path, monkeypatch):
    own = tmp_path / "boxes"
    trained_bundle(str(trained), str(own), ["small"])
    assert (own / "models" / "model.pt").read_bytes() == (own / "models" / "model_start.pt").read_bytes()
    configs = {file.name for file in (own / "configs").iterdir()}
    assert {"train.yaml", "inference.yaml", "evaluate.yaml", "multi_gpu_train.yaml", "metadata.json"} <= configs
    assert "hippocampus.yaml" not in configs, "an overlay of other trainings"
    monkeypatch.syspath_prepend(own)
    write_dataset(tmp_path / "data")
    for name, kind in (("train", "train"), ("inference", "infer")):
        workflow = ConfigWorkflow(
            config_file=str(own / "configs" / f"{name}.yaml"),
            meta_file=str(own / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type=kind,
            bundle_root=str(own),
            dataset_dir=str(tmp_path / "data"),
        )
        workflow.initialize()
        assert workflow.check_properties() == []
        assert Path(workflow.parser.get_parsed_content("ckpt_dir")) == own / "models"


def test_metadata_are_those_of_the_training(trained, tmp_path):
    trained_bundle(str(trained), str(tmp_path / "boxes"), "small", modality="CT")
    metadata = json.loads((tmp_path / "boxes" / "configs" / "metadata.json").read_text())
    assert not list(Draft201909Validator(metadata_schema()).iter_errors(metadata))
    image, prediction = (metadata["network_data_format"][kind] for kind in ("inputs", "outputs"))
    assert prediction["pred"]["channel_def"] == {str(number): name for number, name in enumerate(NAMES)}
    assert prediction["pred"]["num_channels"] == 3
    assert image["image"]["modality"] == "CT"
    assert image["image"]["spatial_shape"] == prediction["pred"]["spatial_shape"] == SMALL["patch_size"]
    assert metadata["eval_metrics"] == {}, "scores are those of other weights"
    assert metadata["name"] == "boxes"
    assert "MR" not in metadata["image_classes"]
    assert "tumour" not in metadata["task"] + metadata["label_classes"] + metadata["pred_classes"]


def test_no_overlay_and_weights_of_another_place(copied, tmp_path):
    """The bundle's own classes keep its own words."""
    root = copied("flare_pseudolabel")
    model = fresh_weights([root / "configs" / "inference.yaml"], tmp_path / "elsewhere" / "model.pt")
    for name in ("intensity.json", "training.json"):
        model.with_name(name).write_text("{}")
    trained_bundle(str(root), str(tmp_path / "own"), weights=str(model))
    stated, own = (
        json.loads((folder / "configs" / "metadata.json").read_text()) for folder in (root, tmp_path / "own")
    )
    for entry in ("task", "label_classes", "pred_classes", "network_data_format"):
        assert own[entry] == stated[entry], entry
    names = {file.name for file in (tmp_path / "own" / "models").iterdir()}
    assert names == {"README.md", "intensity.json", "model.pt", "model_start.pt", "training.json"}


def test_refusals_name_the_remedy_and_leave_nothing(trained, tmp_path):
    model = trained / "models" / "boxes" / "small" / "model.pt"
    own = tmp_path / "own"

    def refused(message, **options):
        with pytest.raises(InputError, match=message) as error:
            trained_bundle(str(trained), **{"output": str(own), "overlays": "small", **options})
        assert "\n" not in str(error.value)
        assert not own.exists()

    refused("exists: remove it", output=str(tmp_path / "bundles"))
    refused("--overlays bigger: there is neither a file bigger nor .*configs/bigger.yaml", overlays="small,bigger")
    refused("there are no weights at .*models/model.pt: pass the --overlays", overlays="")
    refused("does not fit the network .*: pass the --overlays", overlays="", weights=str(model))
    settings = model.with_name("training.json")
    settings.write_text(json.dumps({"spacing": [2.0, 2.0, 2.0], "epoch": 3}))
    refused(r"was trained with spacing \[2.0, 2.0, 2.0\], not \[1.5, 1.1, 1.0\]: pass the --overlays")
    settings.unlink()
    torch.save([1, 2], model)
    refused("does not fit the network")
    with pytest.raises(InputError, match=r"metadata\.json"):
        trained_bundle(str(tmp_path), str(own))


def test_lists_stay_in_one_line_and_the_head_says_where_the_comments_are(trained, tmp_path):
    trained_bundle(str(trained), str(tmp_path / "own"), "small")
    text = (tmp_path / "own" / "configs" / "inference.yaml").read_text()
    assert text.startswith("# inference.yaml, then small.yaml, merged by")
    assert "\nspacing: [1.5, 1.1, 1.0]\n" in text
    parser = ConfigParser(yaml.safe_load(text))
    assert parser.get()["data_tag"] == parser.get()["method_tag"] == ""
