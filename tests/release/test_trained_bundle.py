"""A training as a bundle of its own: equal to the bundle with its overlays, complete, and none of other weights."""

import json
import zipfile
from pathlib import Path

import monai.bundle
import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from custom.verify.metadata_schema import metadata_schema
from custom.verify.small_run import NETWORK
from jsonschema import Draft201909Validator
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle import run as run_bundle

from custom.errors import InputError
from custom.release.releasing import release
from custom.release.trained_bundle import trained_bundle

from ..bundle_copies import STATED, change_metadata, fresh_weights
from ..small_bundle import AFFINE, write_dataset

SPINE = "batseg_spine"
SMALL = {
    "data_tag": "boxes",
    "method_tag": "small",
    "class_names": ["left_part", "right_adrenal"],
    **{key: NETWORK[key] for key in ("spacing", "patch_size", "filters", "strides", "kernel_size")},
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


@pytest.fixture
def scan(tmp_path) -> Path:
    file = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(np.random.RandomState(0).rand(12, 14, 16).astype(np.float32), AFFINE), file)
    return file


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def unpacked(dist: Path) -> Path:
    """The folder that holds what the archives in a folder hold."""
    for archive in dist.glob("*.zip"):
        with zipfile.ZipFile(archive) as content:
            content.extractall(dist / "unpacked")
    return dist / "unpacked"


def infer(root, scan, output, *overlays) -> np.ndarray:
    run_bundle(
        config_file=[str(root / "configs" / "inference.yaml"), *map(str, overlays)],
        meta_file=str(root / "configs" / "metadata.json"),
        bundle_root=str(root),
        dataset_dir=str(scan),
        output_dir=str(output),
    )
    return np.asarray(nib.load(output / scan.name).dataobj)


def test_it_labels_as_the_bundle_with_its_overlays(trained, scan, tmp_path, monkeypatch):
    expected = infer(trained, scan, tmp_path / "expected", trained / "configs" / "small.yaml")
    assert len(np.unique(expected)) > 1
    own = tmp_path / "served" / "boxes_1"
    trained_bundle(str(trained), str(own), "small")
    monkeypatch.syspath_prepend(own)  # as MONAI puts a bundle's folder there
    label = infer(own, scan, tmp_path / "label")
    assert np.array_equal(label, expected)
    assert "custom." not in (own / "configs" / "inference.yaml").read_text().replace("boxes_1_0_1_0.", "")


@pytest.mark.parametrize("name", ["2024_hippocampus", "hip-1"])
def test_it_runs_whatever_its_folder_is_called(trained, scan, tmp_path, monkeypatch, name):
    own = tmp_path / "served" / name
    trained_bundle(str(trained), str(own), "small")
    monkeypatch.syspath_prepend(own)
    assert infer(own, scan, tmp_path / "label").shape == (12, 14, 16)


def test_monai_loads_its_network(trained, tmp_path, monkeypatch):
    own = tmp_path / "served" / "boxes_2"
    trained_bundle(str(trained), str(own), "small")
    monkeypatch.syspath_prepend(own)
    network = monai.bundle.load("boxes_2", bundle_dir=str(own.parent), workflow_type="infer", device="cpu")
    weights = torch.load(own / "models" / "model.pt")
    assert network.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[key]) for key, value in network.state_dict().items())
    assert type(network).__module__.startswith("boxes_2_0_1_0.")


def test_of_an_unpacked_release_it_is_what_it_is_of_the_project(trained, tmp_path):
    """The code is renamed from the release's own name, and nothing in the release changes."""
    release(output=str(tmp_path / "dist"), source=str(trained.parent))
    root = unpacked(tmp_path / "dist") / SPINE
    before = contents(root)
    model = str(trained / "models" / "boxes" / "small" / "model.pt")
    for number, source in enumerate((trained, root)):
        trained_bundle(str(source), str(tmp_path / str(number) / "own"), "small", weights=model)
    own = [contents(tmp_path / number / "own") for number in ("0", "1")]
    for path in ("configs/train.yaml", "configs/inference.yaml"):  # lines are broken elsewhere
        of_project, of_release = (files.pop(path).decode() for files in own)
        assert yaml.safe_load(of_project) == yaml.safe_load(of_release)
        assert of_project.splitlines()[0] == of_release.splitlines()[0]
    assert own[0] == own[1]
    assert contents(root) == before


def test_it_can_be_released_with_its_weights(trained, scan, tmp_path, monkeypatch):
    """Weights of a training with overlays, which a release of the bundle itself cannot hold."""
    expected = infer(trained, scan, tmp_path / "expected", trained / "configs" / "small.yaml")
    trained_bundle(str(trained), str(tmp_path / "own" / "boxes_3"), "small")
    options = {"output": str(tmp_path / "dist"), "source": str(tmp_path / "own")}
    with pytest.raises(InputError, match="eval_metrics states no measured score"):
        release(**options)
    change_metadata(tmp_path / "own" / "boxes_3", eval_metrics=STATED)
    release(**options)
    root = unpacked(tmp_path / "dist") / "boxes_3"
    monkeypatch.syspath_prepend(root)
    assert np.array_equal(infer(root, scan, tmp_path / "label"), expected)


def test_settings_are_merged_in_as_an_overlay_is(trained, tmp_path):
    model = trained / "models" / "boxes" / "small" / "model.pt"
    for name, options in (("overlay", {"overlays": "small.yaml, "}), ("settings", {"settings": SMALL})):
        trained_bundle(str(trained), str(tmp_path / name / "own"), weights=str(model), **options)
    own = [contents(tmp_path / name / "own") for name in ("overlay", "settings")]
    for path in ("configs/train.yaml", "configs/inference.yaml"):
        overlay, settings = (files.pop(path).decode().split("\n", 1) for files in own)
        assert yaml.safe_load(overlay[1]) == yaml.safe_load(settings[1])
        assert "then small.yaml, merged" in overlay[0]
        assert "then settings, merged" in settings[0]
    assert own[0] == own[1]


def test_a_folder_with_a_number_for_its_name(trained, tmp_path, monkeypatch):
    """The command line makes it a number."""
    monkeypatch.chdir(tmp_path)
    trained_bundle(str(trained), 2024, "small")
    assert (tmp_path / "2024" / "configs" / "inference.yaml").is_file()


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
    (tmp_path / "file").touch()
    refused(r"file cannot be written \(.*\): pass another --output", output=str(tmp_path / "file" / "own"))
    refused("the configs have no 'speed'", settings={"speed": 3})
    refused("network_def.* cannot be made", settings={"class_names": 3})
    refused("--overlays bigger: there is neither a file bigger nor .*configs/bigger.yaml", overlays="small,bigger")
    refused("no trained weights at .*models/model.pt: pass the --overlays", overlays="")
    refused("does not fit the network .*: pass the --overlays", overlays="", weights=str(model))
    settings = model.with_name("training.json")
    settings.write_text(json.dumps({"spacing": [2.0, 2.0, 2.0], "epoch": 3}))
    refused(r"was trained with spacing \[2.0, 2.0, 2.0\], not \[1.5, 1.1, 1.0\]: pass the --overlays")
    settings.unlink()
    torch.save([1, 2], model)
    refused("does not fit the network")
    with pytest.raises(InputError, match=r"no configs/metadata\.json: pass the folder of a bundle"):
        trained_bundle(str(tmp_path), str(own))


def test_lists_stay_in_one_line_and_the_head_says_where_the_comments_are(trained, tmp_path):
    trained_bundle(str(trained), str(tmp_path / "own"), "small")
    text = (tmp_path / "own" / "configs" / "inference.yaml").read_text()
    assert text.startswith("# inference.yaml, then small.yaml, merged by")
    assert "\nspacing: [1.5, 1.1, 1.0]\n" in text
    parser = ConfigParser(yaml.safe_load(text))
    assert parser.get()["data_tag"] == parser.get()["method_tag"] == ""
