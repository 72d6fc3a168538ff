"""Both bundles in a real MONAI Label server: labels, names, colours, sampling, scoring, training."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import run as run_bundle

from custom.data import FLARE22_INTENSITY
from custom.plans import load_plan, read_plan
from custom.release import release

from ..bundle_copies import change_metadata, copy_bundle, seeded_training
from .conftest import ITERATIONS, Scans, Server, copy_app, replace, started

pytestmark = pytest.mark.slow

TRAINED, SPINE, FLARE, CHANGED = "batseg_trained", "batseg_spine", "flare_pseudolabel", "flare_changed"
SEEN = 3  # images that the server starts with
COLOURS = "from monailabel.datastore.utils.colors import GENERIC_ANATOMY_COLORS as c; import json; print(json.dumps(c))"


@dataclass
class Served:
    """A running server, its folder of models, and the data around it."""

    server: Server
    models: Path
    names: list[str]  # of the scans in its data store
    scans: Scans


def add_releases(project: Path, models: Path, work: Path) -> None:
    """Both bundles unpacked from their releases, with weights of a seed; quicker to wait for."""
    without = ",".join(f"{name}=none" for name in (SPINE, FLARE))
    release("all", str(work / "dist"), weights=without, source=str(project / "bundles"))
    for name in (SPINE, FLARE):
        unpack(work / "dist", name, models / name)
    seeded_training(project / "bundles" / FLARE, models / FLARE / "models", intensity=FLARE22_INTENSITY)
    spine = project / "bundles" / SPINE
    plan = load_plan("spine", spine) | {"prediction": {"mirrored": False}}
    seeded_training(spine, models / SPINE / "models", plan)
    replace(models / FLARE / "configs" / "train.yaml", ITERATIONS, "iterations_per_epoch: 2\n")


def add_changed_release(project: Path, models: Path, work: Path) -> None:
    """A later release of the FLARE bundle, whose code labels everything as class 7."""
    root = copy_bundle(project, FLARE, work / "later")
    change_metadata(root, version="99.0.0", changelog={"99.0.0": "all is class 7"})
    release("all", str(work / "later_dist"), source=str(work / "later"))
    unpack(work / "later_dist", FLARE, models / CHANGED)
    seeded_training(root, models / CHANGED / "models")
    code = models / CHANGED / "flare_pseudolabel_99_0_0" / "inferers" / "streaming_sliding_window.py"
    replace(code, "return result.volume", "return result.volume.fill_(7)")


def unpack(dist: Path, name: str, target: Path) -> None:
    (archive,) = dist.glob(f"{name}_*.zip")
    shutil.unpack_archive(archive, dist)
    (dist / name).rename(target)


@pytest.fixture(scope="module")
def served(environment, project, scans, trained_spine, tmp_path_factory) -> Iterator[Served]:
    """One server with a trained bundle, both releases, and a release of another version with other code."""
    apps, work = tmp_path_factory.mktemp("apps"), tmp_path_factory.mktemp("work")
    models = copy_app(environment, apps)
    shutil.copytree(trained_spine, models / TRAINED)
    replace(models / TRAINED / "configs" / "train.yaml", ITERATIONS, "iterations_per_epoch: 10\n")
    add_releases(project, models, work)
    add_changed_release(project, models, work)
    studies = tmp_path_factory.mktemp("studies")
    names = scans.names[:SEEN]
    for name in names:
        shutil.copy(scans.image(name), studies)
    conf = {
        "models": ",".join((TRAINED, SPINE, FLARE, CHANGED)),
        "zoo_source": "local",
        "sam2": "false",
        "epistemic_model": TRAINED,
        "epistemic_simulation_size": "2",
    }
    with started(environment, apps, studies, conf) as server:
        yield Served(server, models, names, scans)


def predicted_here(root: Path, weights: Path, scan: Path, output: Path) -> np.ndarray:
    """The label map that the inference of a bundle of the project writes with the weights in a folder."""
    run_bundle(
        config_file=str(root / "configs" / "inference.yaml"),
        meta_file=str(root / "configs" / "metadata.json"),
        bundle_root=str(root),
        dataset_dir=str(scan),
        ckpt_dir=str(weights),
        output_dir=str(output),
    )
    return np.asarray(nib.load(output / scan.name).dataobj)


def label_of(file: Path, scan: Path) -> np.ndarray:
    """The voxels of a label map, which must lie on its scan's grid."""
    label, image = nib.load(file), nib.load(scan)
    assert label.shape == image.shape
    assert np.allclose(label.affine, image.affine, atol=1e-4)
    assert label.get_data_dtype() == np.uint8
    return np.asarray(label.dataobj)


def test_labels_have_names_and_the_colours_of_anatomy(served, environment, project):
    """MONAI Label and 3D Slicer colour a label by its name; the other names get a colour of their own in the viewer."""
    models = served.server.get("/info/")["models"]
    assert models[TRAINED]["labels"] == {name: number for number, name in enumerate(served.scans.plan["classes"], 1)}
    metadata = json.loads((project / "bundles" / "flare_pseudolabel" / "configs" / "metadata.json").read_text())
    channels = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    names = models[FLARE]["labels"]
    assert names == {name: int(channel) for channel, name in channels.items() if channel != "0"}
    assert models[FLARE]["type"] == "segmentation"
    python = environment / "bin" / "python"
    printed = subprocess.run([python, "-c", COLOURS], capture_output=True, check=True, text=True).stdout
    table = json.loads(printed.splitlines()[-1])
    assert sorted(set(names) - set(table)) == ["inferior vena cava", "tumour"], "anatomy that the table does not know"


def test_a_trained_bundle_labels_a_scan_as_the_project_does(served, project, tmp_path):
    name = served.names[0]
    scan = served.scans.image(name)
    label = label_of(served.server.infer(TRAINED, name, tmp_path / "label.nii.gz"), scan)
    weights = served.models / TRAINED / "models"
    here = predicted_here(project / "bundles" / SPINE, weights, scan, tmp_path / "here")
    assert len(np.unique(label)) > 1, "an empty label map would prove nothing"
    assert np.array_equal(label, here)


def test_the_answer_to_3d_slicer_lies_on_the_scan(served, tmp_path):
    """Its module asks for .nrrd, in millimetres of the left-posterior-superior convention."""
    name = served.names[1]
    in_nifti = nib.load(served.server.infer(TRAINED, name, tmp_path / "label.nii.gz"))
    header, voxels = read_nrrd(served.server.infer(TRAINED, name, tmp_path / "label.nrrd", result_extension=".nrrd"))
    assert header["space"] == "left-posterior-superior"
    assert np.array_equal(voxels.reshape(in_nifti.shape, order="F"), np.asarray(in_nifti.dataobj))
    to_lps = np.diag([-1.0, -1, 1])
    assert np.allclose(vectors(header["space directions"]).T, to_lps @ in_nifti.affine[:3, :3], atol=1e-4)
    assert np.allclose(vectors(header["space origin"])[0], to_lps @ in_nifti.affine[:3, 3], atol=1e-4)


def read_nrrd(file: Path) -> tuple[dict[str, str], np.ndarray]:
    """Header and voxels, first axis fastest, of a label map of bytes."""
    head, _, body = file.read_bytes().partition(b"\n\n")
    header = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:] if not line.startswith("#"))
    return header, np.frombuffer(gzip.decompress(body) if header["encoding"] == "gzip" else body, np.uint8)


def vectors(text: str) -> np.ndarray:
    """The rows of `(1,0,0) (0,1,0) (0,0,1)`."""
    return np.array([[float(number) for number in vector.strip("()").split(",")] for vector in text.split()])


def test_a_release_labels_a_ct_as_the_project_does(served, project, tmp_path):
    scan = served.scans.ct
    served.server.add_image("abdomen", scan)
    label = label_of(served.server.infer(FLARE, "abdomen", tmp_path / "label.nii.gz"), scan)
    served.server.remove_image("abdomen")
    weights = served.models / FLARE / "models"
    here = predicted_here(project / "bundles" / FLARE, weights, scan, tmp_path / "here")
    assert len(np.unique(label)) > 1
    assert np.array_equal(label, here)


def test_the_spines_release_labels_a_scan_as_the_project_does(served, project, tmp_path):
    """With the whole network: a patch of 12 x 256 x 512 voxels."""
    metadata = json.loads((project / "bundles" / SPINE / "configs" / "metadata.json").read_text())
    classes = list(metadata["network_data_format"]["outputs"]["pred"]["channel_def"].values())[1:]
    offered = served.server.get("/info/")["models"][SPINE]["labels"]
    assert offered == {name: number for number, name in enumerate(classes, start=1)}
    name = served.names[2]
    scan = served.scans.image(name)
    label = label_of(served.server.infer(SPINE, name, tmp_path / "label.nii.gz"), scan)
    weights = served.models / SPINE / "models"
    here = predicted_here(project / "bundles" / SPINE, weights, scan, tmp_path / "here")
    assert len(np.unique(label)) > 1
    assert np.array_equal(label, here)


def test_a_release_labels_a_whole_torso(served, tmp_path):
    scan = served.scans.large_ct
    served.server.add_image("torso", scan)
    label = label_of(served.server.infer(FLARE, "torso", tmp_path / "label.nii.gz"), scan)
    served.server.remove_image("torso")
    assert 1 < len(np.unique(label)) <= 15


def test_releases_of_two_versions_run_their_own_code(served, tmp_path):
    """Python keeps the first package of a name that it imports."""
    name = served.names[0]
    scan = served.scans.image(name)
    assert np.all(label_of(served.server.infer(CHANGED, name, tmp_path / "changed.nii.gz"), scan) == 7)
    label = label_of(served.server.infer(FLARE, name, tmp_path / "label.nii.gz"), scan)
    assert not np.all(label == 7)


def test_active_learning_gives_the_next_scan_to_label(served):
    answer = json.loads(served.server.call("POST", "/activelearning/first", {}))
    assert answer["id"] in served.names
    assert Path(answer["path"]).name == f"{answer['id']}.nii.gz"


def test_epistemic_scoring_scores_a_scan(served):
    """It gives the network dropout and calls it in training mode."""
    served.server.run("scoring", TRAINED, max_samples=1)
    found = [served.server.get(f"/datastore/image/info?image={name}") for name in served.names]
    scores = [info["epistemic_entropy"] for info in found if "epistemic_entropy" in info]
    assert len(scores) == 1
    assert np.isfinite(scores[0])


def test_a_training_as_3d_slicer_asks_for_it(served, project, tmp_path):
    """With all options as the server offers them, also the empty run_id, which evaluates the whole of train.yaml."""
    for name in served.names:
        served.server.add_label(name, served.scans.label(name))
    offered = served.server.get("/info/")["trainers"][TRAINED]["config"]
    options = {key: value[0] if isinstance(value, list) else value for key, value in offered.items()}
    assert options["run_id"] == ""
    assert options["model_filename"] == "model.pt", "of several weights MONAI Label takes the shortest name"
    root = project / "bundles" / SPINE
    trains_and_still_labels(served, TRAINED, root, tmp_path, **{**options, "max_epochs": 1, "val_split": 0.34})
    for name in served.names:
        served.server.remove_label(name)
    start, now = (weights(served, TRAINED, name) for name in ("model_start.pt", "model.pt"))
    assert any(not torch.equal(start[key], now[key]) for key in now), "the weights from before are kept"


def test_a_training_without_validation(served, project, tmp_path):
    """On a CT without all of the 14 classes."""
    served.server.add_image("abdomen", served.scans.ct)
    served.server.add_label("abdomen", served.scans.ct_label)
    trains_and_still_labels(served, FLARE, project / "bundles" / FLARE, tmp_path, max_epochs=1, val_split=0)
    served.server.remove_image("abdomen")


def weights(served: Served, model: str, name: str = "model.pt") -> dict[str, torch.Tensor]:
    return torch.load(served.models / model / "models" / name, weights_only=True)


def trains_and_still_labels(served: Served, model: str, root: Path, folder: Path, **options) -> None:
    """Train over REST; the weights are new, of the same network, and the next label map comes from them.

    It is that of the project's bundle at `root` too, which reads the plan again: the server does so at its start only.
    """
    before = weights(served, model)
    served.server.run("train", model, **options)
    after = weights(served, model)
    assert {key: value.shape for key, value in before.items()} == {key: value.shape for key, value in after.items()}
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert all(bool(torch.isfinite(value).all()) for value in after.values())
    assert read_plan(served.models / model / "models" / "plan.yaml")["training"]["epoch"] == options["max_epochs"]
    scan = served.scans.image(served.names[0])
    label = label_of(served.server.infer(model, served.names[0], folder / "after.nii.gz"), scan)
    assert np.array_equal(label, predicted_here(root, served.models / model / "models", scan, folder / "here"))
