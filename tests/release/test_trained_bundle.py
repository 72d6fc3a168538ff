"""A training as a bundle of its own: it labels as the training's folder does, is complete, and has no other weights."""

import json
import zipfile
from pathlib import Path

import monai.bundle
import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle import run as run_bundle

from custom.errors import InputError
from custom.options.command_line import call
from custom.plans import read_plan, write_plan
from custom.release.package_name import package_name
from custom.release.release_command import models_releases, release
from custom.release.trained_bundle import trained_bundle

from ..bundle_copies import STATED, change_metadata, seeded_training
from ..small_bundle import AFFINE, TINY_PLAN, write_dataset

SPINE = "batseg_spine"
PLAN = {**TINY_PLAN, "classes": ["left_part", "right_adrenal"], "distance_channels": 3}
NAMES = ["background", "left part", "right adrenal gland"]


@pytest.fixture
def trained(copied, tmp_path):
    """A copy of the spine bundle, and the folder of a training with it."""
    root = copied(SPINE)
    return root, seeded_training(root, tmp_path / "training", PLAN)


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


# such names are numbers or truth values for YAML, or no names of packages
@pytest.mark.parametrize("name", ["boxes", "2024_hippocampus", "hip-1", "1e3", "yes"])
def test_it_labels_as_the_folder_of_the_training_whatever_it_is_called(trained, scan, tmp_path, monkeypatch, name):
    root, folder = trained
    expected = infer(root, scan, tmp_path / "expected", ckpt_dir=str(folder))
    assert len(np.unique(expected)) > 1
    own = tmp_path / "served" / name
    trained_bundle(str(root), str(own), str(folder))
    monkeypatch.syspath_prepend(own)  # as MONAI puts a bundle's folder there
    assert np.array_equal(infer(own, scan, tmp_path / "label"), expected)
    package = package_name(name, "0.1.0")
    assert "custom." not in (own / "configs" / "inference.yaml").read_text().replace(f"{package}.", "")
    parser = ConfigParser(ConfigParser.load_config_file(str(own / "configs" / "train.yaml")))
    parser.update({"bundle_root": str(own)})
    assert parser.get_parsed_content("planned") == read_plan(folder / "plan.yaml"), "a training starts from its plan"
    assert Path(parser.get_parsed_content("ckpt_dir")) == own / "models"


def test_monai_loads_its_network(trained, tmp_path, monkeypatch):
    root, folder = trained
    own = tmp_path / "served" / "boxes_2"
    trained_bundle(str(root), str(own), str(folder))
    monkeypatch.syspath_prepend(own)
    network = monai.bundle.load("boxes_2", bundle_dir=str(own.parent), workflow_type="infer", device="cpu")
    weights = torch.load(own / "models" / "model.pt")
    assert network.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[key]) for key, value in network.state_dict().items())
    assert type(network).__module__.startswith("boxes_2_0_1_0.")


def test_of_an_unpacked_release_it_is_what_it_is_of_the_project(trained, tmp_path):
    """The code is renamed from the release's own name, and nothing in the release changes."""
    project_root, folder = trained
    release(output=str(tmp_path / "dist"), source=str(project_root.parent))
    root = unpacked(tmp_path / "dist") / SPINE
    before = contents(root)
    for number, source in enumerate((project_root, root)):
        trained_bundle(str(source), str(tmp_path / str(number) / "own"), checkpoint=str(folder / "model.pt"))
    assert contents(tmp_path / "0" / "own") == contents(tmp_path / "1" / "own")
    assert contents(root) == before


def test_it_can_be_released_with_its_weights(trained, scan, tmp_path, monkeypatch):
    """Weights for other classes, which a release of the bundle itself cannot hold."""
    root, folder = trained
    expected = infer(root, scan, tmp_path / "expected", ckpt_dir=str(folder))
    trained_bundle(str(root), str(tmp_path / "own" / "boxes_3"), str(folder))
    options = {"output": str(tmp_path / "dist"), "source": str(tmp_path / "own")}
    with pytest.raises(InputError, match="eval_metrics states no measured score"):
        release(**options)
    change_metadata(tmp_path / "own" / "boxes_3", eval_metrics=STATED)
    release(**options)
    released = unpacked(tmp_path / "dist") / "boxes_3"
    monkeypatch.syspath_prepend(released)
    assert np.array_equal(infer(released, scan, tmp_path / "label"), expected)


def test_a_folder_with_a_number_for_its_name(trained, tmp_path, monkeypatch):
    """Which is taken as typed, not as a number."""
    monkeypatch.chdir(tmp_path)
    call("trained_bundle", {"trained_bundle": trained_bundle}, {}, [str(trained[0]), "2024", str(trained[1])])
    assert (tmp_path / "2024" / "configs" / "plans" / "2024.yaml").is_file()


def test_everything_of_a_bundle_is_there_and_nothing_of_other_trainings(trained, tmp_path, monkeypatch):
    root, folder = trained
    own = tmp_path / "boxes"
    trained_bundle(str(root), str(own), str(folder))
    models = {file.name: file.read_bytes() for file in (own / "models").iterdir()}
    assert set(models) == {"README.md", "model.pt", "model_start.pt", "plan.yaml"}
    assert models["model.pt"] == models["model_start.pt"] == (folder / "model.pt").read_bytes()
    configs = {file.name for file in (own / "configs").iterdir()}
    assert {"train.yaml", "inference.yaml", "evaluate.yaml", "multi_gpu_train.yaml", "metadata.json"} <= configs
    assert "baseline.yaml" not in configs, "an overlay of other trainings"
    assert [file.name for file in (own / "configs" / "plans").iterdir()] == ["boxes.yaml"]
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
    root, folder = trained
    trained_bundle(str(root), str(tmp_path / "boxes"), str(folder), modality="CT")
    metadata = json.loads((tmp_path / "boxes" / "configs" / "metadata.json").read_text())
    image, prediction = (metadata["network_data_format"][kind] for kind in ("inputs", "outputs"))
    assert prediction["pred"]["channel_def"] == {str(number): name for number, name in enumerate(NAMES)}
    assert prediction["pred"]["num_channels"] == 3
    assert image["image"]["modality"] == "CT"
    assert image["image"]["spatial_shape"] == prediction["pred"]["spatial_shape"] == PLAN["patch_size"]
    assert metadata["eval_metrics"] == {}, "scores are those of other weights"
    assert metadata["name"] == "boxes"
    assert "MR" not in metadata["image_classes"]
    assert "tumour" not in metadata["task"] + metadata["label_classes"] + metadata["pred_classes"]


def test_the_bundles_own_classes_keep_its_own_words(copied, tmp_path):
    root = copied("flare_pseudolabel")
    seeded_training(root, root / "models", "small")
    trained_bundle(str(root), str(tmp_path / "own"))
    stated, own = (
        json.loads((folder / "configs" / "metadata.json").read_text()) for folder in (root, tmp_path / "own")
    )
    for entry in ("task", "label_classes", "pred_classes", "network_data_format"):
        assert own[entry] == stated[entry], entry


def test_refusals_name_the_remedy_and_leave_nothing(trained, tmp_path):
    root, folder = trained
    own = tmp_path / "own"

    def refused(message, **options):
        with pytest.raises(InputError, match=message) as error:
            trained_bundle(**{"bundle": str(root), "output": str(own), "ckpt_dir": str(folder), **options})
        assert "\n" not in str(error.value)
        assert not own.exists()

    refused("exists: remove it", output=str(tmp_path / "bundles"))
    (tmp_path / "file").touch()
    refused(r"file cannot be written \(.*\): pass another --output", output=str(tmp_path / "file" / "own"))
    refused(r"configs/metadata\.json: no such config; correct its name, or pass", bundle=str(tmp_path))
    refused("no trained weights at .*models/model.pt: pass the --ckpt_dir of a training", ckpt_dir="")
    write_plan(folder / "plan.yaml", {**PLAN, "classes": ["left_part"]})
    refused(r"does not fit the network .*: its plan\.yaml is of another training")
    (folder / "plan.yaml").unlink()
    refused(r"plan\.yaml is missing: it says what ")
    write_plan(folder / "plan.yaml", PLAN)
    torch.save([1, 2], folder / "model.pt")
    refused("holds a list, no dictionary: restore it, or pass other weights")


def test_a_shipped_models_own_archive_says_what_it_has_not_seen(project):
    """As the bundle's does: its scores can be measured again from either."""
    root = project / "bundles" / SPINE
    (made,) = models_releases(root, "")
    assert made.small["models/folds.json"] == (root / "models" / "hippocampus" / "folds.json").read_bytes()
    assert [path for path in made.small if path.startswith("docs/")] == ["docs/README.md", "docs/data_license.txt"]


def test_the_cases_of_other_trainings_stay_at_home(trained, tmp_path):
    root, training = trained
    (training / "folds.json").write_text("names of patients")
    trained_bundle(str(root), str(tmp_path / "boxes"), str(training))
    assert not (tmp_path / "boxes" / "models" / "folds.json").exists()
