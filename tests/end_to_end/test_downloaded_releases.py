"""Releases made, served and downloaded by the commands of docs/releases.md, where this project is not installed."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
import yaml

from custom.plans import load_plan, write_plan
from custom.release import release
from custom.workflows.bundle_run import run_config

from ..bundle_copies import STATED, change_metadata, copy_bundle, seeded_training, thin_ct_plan
from ..bundles.conftest import weights
from ..preloaded_python import LIBRARIES, preloaded_python
from ..preloaded_python import __file__ as preloaded_file
from ..readme_commands import blocks
from ..small_bundle import OVERLAYS, PLANS, write_dataset
from .alone import begin, end, environment_of, required_packages, settings_of, together
from .documented import Places, python_blocks
from .ending import ending_with_us

pytestmark = pytest.mark.slow

SPINE, FLARE = "batseg_spine", "flare_pseudolabel"
BUNDLES = (SPINE, FLARE)
NEXT = "9.0.0"
PORT = "8001"  # of the page's web server
TINIER = {"epochs": 1, "iterations_per_epoch": 2}
SEEDED = "models/seeded"  # weights that label scans
PROJECT_FILES = ("Makefile", "setup.cfg", "pyproject.toml", "constraints.txt")
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Downloaded(NamedTuple):
    """The python without the project, the same with MONAI imported, where its user works, and a web server's files."""

    python: Path
    quick: Path
    folder: Path
    url: str
    dist: Path

    def root(self, name: str) -> Path:
        """An unpacked release."""
        return self.folder / "downloaded" / name

    def overlay(self, name: str) -> Path:
        """What makes the bundle's training a matter of seconds."""
        return self.folder / f"tiny_{name}.yaml"


@pytest.fixture(scope="module")
def alone(project, tmp_path_factory) -> Iterator[Downloaded]:
    """Both bundles, downloaded and trained as the page says; a next version of one, with weights, is served."""
    work = tmp_path_factory.mktemp("releases")
    checkout, folder = copy_of_project(project, work / "project"), work / "user"
    folder.mkdir()
    make_and_serve, use = (block for block in blocks(project / "docs" / "releases.md") if PORT in block)
    make, serve = make_and_serve.strip().splitlines()
    end(begin(Path(sys.executable), ["bash", "-euc", make], checkout))
    newer = copy_bundle(project, FLARE, work / "newer")
    change_metadata(newer, version=NEXT, changelog={NEXT: "the next"}, eval_metrics=STATED)
    seeded_training(newer, newer / "models")
    release(output=str(checkout / "dist"), source=str(work / "newer"))
    metadata = [project / "bundles" / name / "configs" / "metadata.json" for name in BUNDLES]
    python = environment_of(set.union(*map(required_packages, metadata)), work / "environment")
    write_dataset(folder / "dataset")
    preloaded = preloaded_python(
        tmp_path_factory.mktemp("alone"), str(python), ("-I", preloaded_file), LIBRARIES, settings_of(python)
    )
    with web_server(serve, checkout) as port, preloaded as quick:
        user = Downloaded(python, quick / "python", folder, f"http://localhost:{port}", checkout / "dist")
        commands = []
        for name in BUNDLES:
            plan = folder / f"plan_{name}.yaml"
            write_plan(plan, PLANS[name])
            overlay = {**OVERLAYS[name], **TINIER, "default_plan": str(plan)}
            user.overlay(name).write_text(yaml.safe_dump(overlay))
            places = Places({"dataset": folder / "dataset"}, {"": user.overlay(name)})
            block = places.adapted(use.replace(PORT, port).replace(SPINE, name))
            commands.append((["bash", "-euc", block], folder))
        together(user.quick, commands)
        yield user


def copy_of_project(project: Path, folder: Path) -> Path:
    """The project without tests, with a virtual environment that make takes for an installed one."""
    shutil.copytree(project / "custom", folder / "custom", ignore=shutil.ignore_patterns("__pycache__"))
    for name in BUNDLES:
        copy_bundle(project, name, folder / "bundles")
    for name in PROJECT_FILES:
        shutil.copy(project / name, folder)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / ".venv" / "for-demo").touch()
    return folder


@contextmanager
def web_server(command: str, folder: Path) -> Iterator[str]:
    """The page's web server on a free port, which is given, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with (
        (folder / "server.log").open("w") as log,
        ending_with_us(
            ["bash", "-euc", command.replace(PORT, port)],
            cwd=folder,
            env=settings_of(Path(sys.executable)),
            stdout=log,
            stderr=log,
        ),
    ):
        until = time.monotonic() + 60
        while True:
            try:
                NO_PROXY.open(f"http://localhost:{port}/").close()
                break
            except urllib.error.URLError:
                assert time.monotonic() < until, (folder / "server.log").read_text()
                time.sleep(0.1)
        yield port


def _run(*configs: str | Path, **options: object) -> list[str]:
    files = str([str(config) if isinstance(config, Path) else f"configs/{config}.yaml" for config in configs])
    pairs = [part for key, value in options.items() for part in (f"--{key}", str(value))]
    return ["python", "-m", "monai.bundle", "run", "--config_file", files, *pairs]


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
    for name in BUNDLES:
        root = alone.root(name)
        bundle = project / "bundles" / name
        plan = load_plan("hippocampus", bundle) if name == SPINE else thin_ct_plan(bundle)
        seeded_training(bundle, root / SEEDED, plan, seed=3)
        output = alone.folder / "labels" / name
        commands.append((_run("inference", ckpt_dir=SEEDED, dataset_dir=scans[name], output_dir=output), root))
    together(alone.quick, commands)
    return alone.folder / "labels"


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


@pytest.mark.parametrize("name", ["custom", "pytest", "jsonschema", "mlflow", "onnx", "pydicom", "highdicom"])
def test_only_what_the_metadata_ask_for_is_there(alone, tmp_path, name):
    process = begin(alone.python, ["python", "-c", f"import {name}"], tmp_path)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert errors.strip().endswith(f"No module named '{name}'")


def test_what_was_downloaded_is_the_archive(alone, project):
    for name in BUNDLES:
        version = json.loads((project / "bundles" / name / "configs" / "metadata.json").read_text())["version"]
        with zipfile.ZipFile(alone.dist / f"{name}_v{version}.zip") as archive:
            for path in archive.namelist():
                assert (alone.folder / "downloaded" / path).read_bytes() == archive.read(path)


def test_inference_on_real_scans_equals_the_projects(alone, labelled, scans, project, tmp_path):
    for name in BUNDLES:
        root = project / "bundles" / name
        models = str(alone.root(name) / SEEDED)
        options = {"dataset_dir": str(scans[name]), "output_dir": str(tmp_path / name), "ckpt_dir": models}
        run_config(root, ["inference"], options)
        assert_equal(labelled / name, tmp_path / name)


def test_evaluation_of_what_was_trained_as_the_page_says(alone):
    together(
        alone.quick,
        [
            (_run("train", "evaluate", alone.overlay(name), dataset_dir=alone.folder / "dataset"), alone.root(name))
            for name in BUNDLES
        ],
    )
    for name in BUNDLES:
        assert (alone.root(name) / "output" / "evaluation" / "metrics_per_case.csv").stat().st_size > 0
        assert weights(alone.root(name) / "models")


ONE_PROCESS = dedent(
    """
    import json, sys
    from pathlib import Path
    import monai.bundle
    from monai.bundle import ConfigWorkflow

    def use(root, options):
        # as MONAI Label: the bundle's folder is on the path while its config is read, and not afterwards
        sys.path.insert(0, root)
        workflow = ConfigWorkflow(
            f"{root}/configs/inference.yaml", workflow_type="inference", bundle_root=root, **options
        )
        workflow.initialize()
        network, inferer, evaluator = workflow.network_def, workflow.inferer, workflow.evaluator
        sys.path.remove(root)
        evaluator.run()
        return [file_of(part) for part in (network, inferer)]

    def file_of(part):
        return sys.modules[type(part).__module__].__file__

    def loads_equal(network, name, bundle_dir):
        tensors = monai.bundle.load(name, bundle_dir=bundle_dir)
        return all((tensors[key] == value).all() for key, value in network.state_dict().items())

    documented, url, jobs = json.loads(sys.argv[1])
    shown = {}
    exec(documented, shown)
    assert loads_equal(shown["network"], "batseg_spine", "downloaded")
    sys.path.remove("downloaded/batseg_spine")
    files = {"shown": [file_of(shown["network"])]}
    files |= {name: use(str(Path("downloaded", name).absolute()), job) for name, job in jobs.items()}
    sys.path.append("next/flare_pseudolabel")
    network = monai.bundle.load(
        "flare_pseudolabel", workflow_type="infer", bundle_dir="next", args_file={"url": url}, progress=False
    )
    assert loads_equal(network, "flare_pseudolabel", "next")
    files["next"] = [file_of(network)]
    print(json.dumps({"files": files, "packages": sorted(name for name in sys.modules if name.count(".") == 0)}))
    """
)


def test_in_one_process_each_release_runs_its_own_code(alone, labelled, scans, project, tmp_path):
    """Both bundles, and by `monai.bundle.load` a network as the page shows it and another version of one bundle.

    Label maps are those of separate processes.
    """
    (documented,) = (block for block in python_blocks(project / "docs" / "releases.md") if "monai.bundle" in block)
    seeded_training(project / "bundles" / SPINE, alone.root(SPINE) / "models")
    jobs = {
        name: {
            "dataset_dir": str(scans[name]),
            "output_dir": str(tmp_path / name),
            "ckpt_dir": str(alone.root(name) / SEEDED),
        }
        for name in BUNDLES
    }
    argument = json.dumps([documented, f"{alone.url}/{FLARE}_v{NEXT}.zip", jobs])
    process = begin(alone.python, ["python", "-c", ONE_PROCESS, argument], alone.folder)
    said = json.loads(end(process).splitlines()[-1])
    code = {name: package_of(alone.root(name)) for name in BUNDLES}
    code |= {"shown": code[SPINE], "next": package_of(alone.folder / "next" / FLARE)}
    for name, package in code.items():
        assert all(Path(file).is_relative_to(package) for file in said["files"][name]), name
    for name in BUNDLES:
        assert_equal(labelled / name, tmp_path / name)
    assert {package.name for package in code.values()} <= set(said["packages"])
    assert len(set(code.values())) == 3
    assert "custom" not in said["packages"]


def package_of(root: Path) -> Path:
    """The folder of the code that a release carries."""
    (package,) = (file.parent for file in root.glob("*/__init__.py"))
    return package
