"""Releases from a web server, downloaded by MONAI's own command, in an environment where this project is not."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
import yaml

from custom.data import FLARE22_INTENSITY
from custom.release import release
from custom.workflows.bundle_run import run_config

from ..bundles.conftest import TINY, TINY_FLARE, weights, write_dataset
from ..release.conftest import STATED, change_metadata, copy_bundle, fresh_weights, served
from .alone import begin, end, environment_without_project, together

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("downloaded")]

SPINE, FLARE = "batseg_spine", "flare_pseudolabel"
RELEASED, NEXT = "0.1.0", "9.0.0"
FEW = {"filters": [4, 8, 16, 24, 32]}  # the shipped small network's levels, thinner
PARTS = {SPINE: ["inference", "hippocampus"], FLARE: ["inference", "thin"]}
TINIER = {"epochs": 1, "iterations_per_epoch": 2}


class Served(NamedTuple):
    """Where the unpacked releases are, the python without the project, and the releases' address."""

    python: Path
    folder: Path
    url: str


@pytest.fixture(scope="module")
def alone(project, tmp_path_factory):
    """Both bundles and a next version of one of them, that one with weights, downloaded side by side."""
    work = tmp_path_factory.mktemp("releases")
    for name in (SPINE, FLARE):
        root = copy_bundle(project, name, work / "bundles")
        change_metadata(root, version=RELEASED, changelog={RELEASED: "this one"})
    newer = copy_bundle(project, FLARE, work / "newer")
    change_metadata(newer, version=NEXT, changelog={NEXT: "the next"}, eval_metrics=STATED)
    fresh_weights([newer / "configs" / "inference.yaml"], newer / "models" / "model.pt")
    for source in ("bundles", "newer"):
        release(output=str(work / "dist"), source=str(work / source))
    python = environment_without_project(work / "environment")
    with served(work / "dist") as url:
        empty = work / "empty"
        empty.mkdir()
        commands = [_download(name, f"{url}/{name}_v{RELEASED}.zip", work / "unpacked") for name in (SPINE, FLARE)]
        together(python, [(command, empty) for command in commands])
        yield Served(python, work / "unpacked", url)


def _download(name: str, url: str, folder: Path) -> list[str]:
    return ["-m", "monai.bundle", "download", "--name", name, "--url", url, "--bundle_dir", str(folder)]


def _run(*configs: str, **options: object) -> list[str]:
    files = str([f"configs/{name}.yaml" for name in configs])
    pairs = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    return ["-m", "monai.bundle", "run", "--config_file", files, *pairs]


@pytest.fixture(scope="module")
def scans(shared_data, tmp_path_factory) -> dict[str, Path]:
    """Bundle -> real scans: two hippocampus MRI, and the CT."""
    folder = tmp_path_factory.mktemp("scans")
    found = {
        SPINE: sorted((shared_data / "hippocampus" / "imagesTr").glob("*.nii.gz"))[:2],
        FLARE: [shared_data / "ct" / "abdomen.nii.gz"],
    }
    for name, files in found.items():
        (folder / name).mkdir()
        for file in files:
            shutil.copy(file, folder / name)
    return {name: folder / name for name in found}


@pytest.fixture(scope="module")
def labelled(alone, scans, project) -> Path:
    """Folder of the label maps that the downloaded bundles make of the scans, each run by itself in its own folder."""
    commands = []
    for name in (SPINE, FLARE):
        root = alone.folder / name
        if name == FLARE:
            (root / "configs" / "thin.yaml").write_text(yaml.safe_dump(FEW | {"data_tag": "thin"}))
        overlay = PARTS[name][1]
        models = root / "models" / overlay
        configs = [project / "bundles" / name / "configs" / "inference.yaml", root / "configs" / f"{overlay}.yaml"]
        fresh_weights(configs, models / "model.pt", seed=3)
        (models / "intensity.json").write_text(json.dumps(FLARE22_INTENSITY))
        output = alone.folder.parent / "labels" / name
        commands.append((_run(*PARTS[name], dataset_dir=scans[name], output_dir=output), root))
    together(alone.python, commands)
    return alone.folder.parent / "labels"


def voxels(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """File -> label values and affine."""
    images = {file.name: nib.load(file) for file in sorted(folder.glob("*.nii.gz"))}
    return {name: (np.asarray(image.dataobj), image.affine) for name, image in images.items()}


def assert_equal(first: Path, second: Path) -> None:
    one, two = voxels(first), voxels(second)
    assert one and one.keys() == two.keys()
    for name, (values, affine) in one.items():
        assert np.array_equal(values, two[name][0]), name
        assert np.array_equal(affine, two[name][1]), name
        assert len(np.unique(values)) > 1, "a label map of one value would prove nothing"


def test_the_project_is_not_there(alone, tmp_path):
    process = begin(alone.python, ["-c", "import nibabel, custom"], tmp_path)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert errors.strip().endswith("No module named 'custom'")


def test_what_was_downloaded_is_the_archive(alone):
    for name in (SPINE, FLARE):
        with zipfile.ZipFile(alone.folder.parent / "dist" / f"{name}_v{RELEASED}.zip") as archive:
            for path in archive.namelist():
                assert (alone.folder / path).read_bytes() == archive.read(path)


def test_inference_on_real_scans_equals_the_projects(alone, labelled, scans, project, tmp_path):
    for name in (SPINE, FLARE):
        root = project / "bundles" / name
        models = alone.folder / name / "models" / PARTS[name][1]
        run_config(
            root,
            PARTS[name] if name == SPINE else ["inference"],
            {
                **(FEW if name == FLARE else {}),
                "dataset_dir": str(scans[name]),
                "output_dir": str(tmp_path / name),
                "ckpt_dir": str(models),
            },
        )
        assert_equal(labelled / name, tmp_path / name)


def test_training_and_evaluation_alone(alone, tmp_path):
    write_dataset(tmp_path / "dataset")
    overlays = {SPINE: TINY, FLARE: TINY_FLARE}
    for name, overlay in overlays.items():
        file = alone.folder / name / "configs" / "tiny.yaml"
        file.write_text(yaml.safe_dump({**overlay, **TINIER}))
    for configs in (["train", "tiny"], ["train", "evaluate", "tiny"]):
        command = _run(*configs, dataset_dir=tmp_path / "dataset")
        together(alone.python, [(command, alone.folder / name) for name in overlays])
    for name in overlays:
        assert (alone.folder / name / "output" / "tiny" / "evaluation" / "metrics_per_case.csv").stat().st_size > 0
        assert weights(alone.folder / name / "models" / "tiny")


ONE_PROCESS = dedent(
    """
    import json, sys
    from pathlib import Path
    import monai.bundle
    from monai.bundle import ConfigWorkflow

    def use(root, configs, options):
        # as MONAI Label: the bundle's folder is on the path while its config is read, and not afterwards
        sys.path.insert(0, root)
        workflow = ConfigWorkflow(
            [f"{root}/configs/{name}.yaml" for name in configs], workflow_type="inference", bundle_root=root, **options
        )
        workflow.initialize()
        network, inferer, evaluator = workflow.network_def, workflow.inferer, workflow.evaluator
        sys.path.remove(root)
        evaluator.run()
        return [sys.modules[type(part).__module__].__file__ for part in (network, inferer)]

    folder, url, jobs = json.loads(sys.argv[1])
    files = {name: use(f"{folder}/{name}", *job) for name, job in jobs.items()}
    sys.path.append(f"{folder}/next/flare_pseudolabel")
    network = monai.bundle.load(
        "flare_pseudolabel", workflow_type="infer", bundle_dir=f"{folder}/next", args_file={"url": url}, progress=False
    )
    files["next"] = [sys.modules[type(network).__module__].__file__]
    tensors = monai.bundle.load("flare_pseudolabel", bundle_dir=f"{folder}/next")
    assert all((tensors[key] == value).all() for key, value in network.state_dict().items())
    print(json.dumps({"files": files, "packages": sorted(name for name in sys.modules if name.count(".") == 0)}))
    """
)


def test_in_one_process_each_release_runs_its_own_code(alone, labelled, scans, tmp_path):
    """Both bundles, and by `monai.bundle.load` another version of one; label maps are those of separate processes."""
    jobs = {
        name: (PARTS[name], {"dataset_dir": str(scans[name]), "output_dir": str(tmp_path / name)})
        for name in (SPINE, FLARE)
    }
    url = f"{alone.url}/{FLARE}_v{NEXT}.zip"
    argument = json.dumps([str(alone.folder), url, jobs])
    said = json.loads(end(begin(alone.python, ["-c", ONE_PROCESS, argument], tmp_path)).splitlines()[-1])
    for name in (SPINE, FLARE):
        code = alone.folder / name / f"{name}_0_1_0"
        assert all(Path(file).is_relative_to(code) for file in said["files"][name])
        assert_equal(labelled / name, tmp_path / name)
    newer = alone.folder / "next" / FLARE / f"{FLARE}_9_0_0"
    assert all(Path(file).is_relative_to(newer) for file in said["files"]["next"])
    assert {f"{SPINE}_0_1_0", f"{FLARE}_0_1_0", f"{FLARE}_9_0_0"} <= set(said["packages"])
    assert "custom" not in said["packages"]
