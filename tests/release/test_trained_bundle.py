"""A training as a bundle of its own: complete, labels as the bundle with its weights does, holds nothing of others."""

import json
import zipfile
from pathlib import Path

import monai.bundle
import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow
from monai.bundle import run as run_bundle

from custom.errors import InputError
from custom.plans import PLAN_FILE, read_plan
from custom.release.releasing import release
from custom.release.trained_bundle import trained_bundle

from ..bundle_copies import STATED, change_metadata, fresh_weights
from ..small_bundle import AFFINE, TINY_PLAN, write_dataset

SPINE = "batseg_spine"
PLAN = {**TINY_PLAN, "name": "boxes", "classes": ["left_part", "right_adrenal"]}
NAMES = ["background", "left part", "right adrenal gland"]


@pytest.fixture
def trained(copied) -> Path:
    """A copy of the spine bundle with the weights of a training on other data in its folder."""
    root = copied(SPINE)
    fresh_weights(root, root / "models" / "boxes" / "model.pt", PLAN)
    return root


@pytest.fixture
def make(trained, tmp_path):
    """Makes a trained bundle in a folder that has its name."""

    def make(name, source=trained, **options) -> Path:
        own = tmp_path / "served" / name
        trained_bundle(str(source), str(own), **{"ckpt_dir": str(trained / "models" / "boxes"), **options})
        return own

    return make


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


def infer(root, scan, output, **options) -> np.ndarray:
    run_bundle(
        config_file=str(root / "configs" / "inference.yaml"),
        meta_file=str(root / "configs" / "metadata.json"),
        bundle_root=str(root),
        dataset_dir=str(scan),
        output_dir=str(output),
        num_workers=0,
        **options,
    )
    return np.asarray(nib.load(output / scan.name).dataobj)


def test_it_labels_as_the_bundle_told_of_the_weights(trained, make, scan, tmp_path, monkeypatch):
    expected = infer(trained, scan, tmp_path / "expected", ckpt_dir=str(trained / "models" / "boxes"))
    assert len(np.unique(expected)) > 1
    own = make("boxes_1")
    monkeypatch.syspath_prepend(own)  # as MONAI puts a bundle's folder there
    assert np.array_equal(infer(own, scan, tmp_path / "label"), expected)
    assert "custom." not in (own / "configs" / "inference.yaml").read_text().replace("boxes_1_0_1_0.", "")


@pytest.mark.parametrize("name", ["2024_hippocampus", "hip-1"])
def test_it_runs_whatever_its_folder_is_called(make, scan, tmp_path, monkeypatch, name):
    own = make(name)
    monkeypatch.syspath_prepend(own)
    assert infer(own, scan, tmp_path / "label").shape == (12, 14, 16)


def test_monai_loads_its_network(make, monkeypatch):
    own = make("boxes_2")
    monkeypatch.syspath_prepend(own)
    network = monai.bundle.load("boxes_2", bundle_dir=str(own.parent), workflow_type="infer", device="cpu")
    weights = torch.load(own / "models" / "model.pt")
    assert network.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[key]) for key, value in network.state_dict().items())
    assert type(network).__module__.startswith("boxes_2_0_1_0.")


def test_of_an_unpacked_release_it_is_what_it_is_of_the_project(trained, make, tmp_path):
    """The code is renamed from the release's own name, and nothing in the release changes."""
    release(output=str(tmp_path / "dist"), source=str(trained.parent))
    root = unpacked(tmp_path / "dist") / SPINE
    before = contents(root)
    of_project = make("1/own")
    assert contents(of_project) == contents(make("2/own", source=root))
    assert contents(root) == before


def test_it_can_be_released_with_its_weights(trained, make, scan, tmp_path, monkeypatch):
    """Weights of another plan, which a release of the bundle itself cannot hold."""
    expected = infer(trained, scan, tmp_path / "expected", ckpt_dir=str(trained / "models" / "boxes"))
    own = make("boxes_3")
    options = {"output": str(tmp_path / "dist"), "source": str(own.parent)}
    with pytest.raises(InputError, match="eval_metrics states no measured score"):
        release(**options)
    change_metadata(own, eval_metrics=STATED)
    release(**options)
    root = unpacked(tmp_path / "dist") / "boxes_3"
    monkeypatch.syspath_prepend(root)
    assert np.array_equal(infer(root, scan, tmp_path / "label"), expected)


def test_a_folder_with_a_number_for_its_name(trained, tmp_path, monkeypatch):
    """The command line makes it a number."""
    monkeypatch.chdir(tmp_path)
    trained_bundle(str(trained), 2024, str(trained / "models" / "boxes"))
    assert (tmp_path / "2024" / "configs" / "inference.yaml").is_file()


def test_everything_of_a_bundle_is_there_and_nothing_of_other_trainings(trained, make, tmp_path, monkeypatch):
    own = make("boxes_4")
    assert (own / "models" / "model.pt").read_bytes() == (own / "models" / "model_start.pt").read_bytes()
    configs = {file.name for file in (own / "configs").iterdir()}
    assert {"train.yaml", "inference.yaml", "evaluate.yaml", "multi_gpu_train.yaml", "metadata.json"} <= configs
    assert not configs & {"demo.yaml", "baseline.yaml"}, "overlays of other trainings"
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
        assert workflow.parser.get_parsed_content("class_names") == PLAN["classes"]


def test_its_default_plan_is_that_of_the_training(trained, make):
    own = make("boxes_5")
    plan = read_plan(trained / "models" / "boxes" / PLAN_FILE)
    assert read_plan(own / "models" / PLAN_FILE) == read_plan(own / "configs" / "plans" / "boxes_5.yaml") == plan


def test_metadata_are_those_of_the_training(make):
    metadata = json.loads((make("boxes", modality="CT") / "configs" / "metadata.json").read_text())
    image, prediction = (metadata["network_data_format"][kind] for kind in ("inputs", "outputs"))
    assert prediction["pred"]["channel_def"] == {str(number): name for number, name in enumerate(NAMES)}
    assert prediction["pred"]["num_channels"] == 3
    assert image["image"]["modality"] == "CT"
    assert image["image"]["spatial_shape"] == prediction["pred"]["spatial_shape"] == PLAN["patch_size"]
    assert metadata["eval_metrics"] == {}, "scores are those of other weights"
    assert metadata["name"] == "boxes"
    assert "MR" not in metadata["image_classes"]
    assert "tumour" not in metadata["task"] + metadata["label_classes"] + metadata["pred_classes"]


def test_weights_of_the_bundles_own_plan_in_another_place(copied, tmp_path):
    """The bundle's own classes keep its own words."""
    root = copied("flare_pseudolabel")
    model = fresh_weights(root, tmp_path / "elsewhere" / "model.pt")
    trained_bundle(str(root), str(tmp_path / "own"), checkpoint=str(model))
    stated, own = (
        json.loads((folder / "configs" / "metadata.json").read_text()) for folder in (root, tmp_path / "own")
    )
    for entry in ("task", "label_classes", "pred_classes", "network_data_format"):
        assert own[entry] == stated[entry], entry
    names = {file.name for file in (tmp_path / "own" / "models").iterdir()}
    assert names == {"README.md", "model.pt", "model_start.pt", "plan.yaml"}


def test_refusals_name_the_remedy_and_leave_nothing(trained, make, tmp_path):
    model = trained / "models" / "boxes" / "model.pt"

    def refused(message, **options):
        with pytest.raises(InputError, match=message) as error:
            make("own", **options)
        assert "\n" not in str(error.value)
        assert not (tmp_path / "served" / "own").exists()

    with pytest.raises(InputError, match="exists: remove it"):
        trained_bundle(str(trained), str(tmp_path / "bundles"))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file cannot be written \(.*\): pass another --output"):
        trained_bundle(str(trained), str(tmp_path / "file" / "own"), checkpoint=str(model))
    refused(r"models/plan\.yaml is missing", ckpt_dir="")
    refused(r"no configs/metadata\.json: pass the folder of a bundle", source=tmp_path)
    torch.save([1, 2], model)
    refused(r"does not fit the network .*: its plan\.yaml is of another training")
    (model.with_name(PLAN_FILE)).unlink()
    refused(r"boxes/plan\.yaml is missing: it says what .*model\.pt was trained for")
