"""The container's entry point, run without a container, labels as the bundles do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from monai.bundle import run as run_bundle

from custom.data import FLARE22_INTENSITY

from ..bundle_copies import seeded_training, thin_ct_plan

pytestmark = pytest.mark.usefixtures("quick_commands")


def predict(
    project: Path, *options: str, folder: Path | None = None, **environment: object
) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["sh", str(project / "docker" / "predict.sh"), *options],
        cwd=folder,
        env={
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "",
            **{name: str(value) for name, value in environment.items()},
        },
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )


def bundle_with_seeded_weights(project: Path, name: str, plan: str | Mapping[str, Any], folder: Path) -> Path:
    """What the Dockerfile copies: configs, and a model with its plan."""
    shutil.copytree(project / "bundles" / name / "configs", folder / "configs")
    seeded_training(folder, folder / "models", plan, intensity=FLARE22_INTENSITY)
    return folder


def bundle_run(bundle: Path, models: Path, scans: Path, labels: Path, **options) -> None:
    """The documented command, in this process."""
    run_bundle(
        config_file=str(bundle / "configs" / "inference.yaml"),
        bundle_root=str(bundle),
        dataset_dir=str(scans),
        output_dir=str(labels),
        ckpt_dir=str(models),
        **options,
    )


def check(project, bundle, scans, work, models=None, **options):
    """Scans called CASE_0000.nii.gz become CASE.nii.gz, of the voxels that the bundle's own command writes."""
    (work / "inputs").mkdir()
    for number, scan in enumerate(scans):
        shutil.copy(scan, work / "inputs" / f"FLARETs_{number:04d}_0000.nii.gz")
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    folders = {"INPUTS": work / "inputs", "OUTPUTS": work / "outputs", "BUNDLE_DIR": bundle}
    result = predict(project, *words, **folders, **({"CKPT_DIR": models} if models else {}))
    assert result.returncode == 0, result.stderr[-3000:]
    bundle_run(bundle, models or bundle / "models", work / "inputs", work / "expected", **options)
    names = sorted(file.name for file in (work / "outputs").iterdir())
    assert names == [f"FLARETs_{number:04d}.nii.gz" for number in range(len(scans))]
    for number, scan in enumerate(scans):
        label = nib.load(work / "outputs" / f"FLARETs_{number:04d}.nii.gz")
        expected = nib.load(work / "expected" / f"FLARETs_{number:04d}_0000.nii.gz")
        assert label.shape == nib.load(scan).shape
        assert np.allclose(label.affine, nib.load(scan).affine)
        assert len(np.unique(label.dataobj)) > 1
        assert np.array_equal(np.asarray(label.dataobj), np.asarray(expected.dataobj))


@pytest.mark.parametrize(
    ("name", "options"), [("batseg_spine", {"mirrored": False}), ("flare_pseudolabel", {"windows": "all"})]
)
def test_real_mri_of_a_folder(project, shared_data, tmp_path, name, options):
    """With the weights next to the configs, and elsewhere."""
    bundle = bundle_with_seeded_weights(project, name, "hippocampus", tmp_path / "bundle")
    models = shutil.move(bundle / "models", tmp_path / "trained") if name == "batseg_spine" else None
    scans = sorted((shared_data / "hippocampus" / "imagesTr").glob("*.nii.gz"))[:2]
    check(project, bundle, scans, tmp_path, models, **options)


def test_folders_named_from_where_one_is(project, tmp_path):
    """Blanks in their names too."""
    bundle = bundle_with_seeded_weights(project, "batseg_spine", "hippocampus", tmp_path / "my bundle")
    (tmp_path / "my scans").mkdir()
    noise = np.random.default_rng(0).normal(size=(20, 24, 16)).astype(np.float32)
    nib.save(nib.Nifti1Image(noise, np.eye(4)), tmp_path / "my scans" / "a_0000.nii.gz")
    folders = {"INPUTS": "my scans", "OUTPUTS": "my labels", "BUNDLE_DIR": bundle.name}
    result = predict(project, "--mirrored", "false", folder=tmp_path, **folders)
    assert result.returncode == 0, result.stderr[-3000:]
    assert [file.name for file in (tmp_path / "my labels").iterdir()] == ["a.nii.gz"]


def test_real_ct(project, shared_data, tmp_path):
    plan = thin_ct_plan(project / "bundles" / "flare_pseudolabel")
    bundle = bundle_with_seeded_weights(project, "flare_pseudolabel", plan, tmp_path / "bundle")
    check(project, bundle, [shared_data / "ct" / "abdomen.nii.gz"], tmp_path)


def test_without_inputs_or_weights_it_ends_with_one_line(project, tmp_path):
    result = predict(project, INPUTS=tmp_path / "nowhere", OUTPUTS=tmp_path / "out", BUNDLE_DIR=tmp_path)
    assert result.returncode == 2
    assert result.stderr == f"error: there is no folder {tmp_path}/nowhere: mount it, or set INPUTS and BUNDLE_DIR\n"
    assert not (tmp_path / "out").exists()

    (tmp_path / "inputs").mkdir()
    nib.save(nib.Nifti1Image(np.random.RandomState(0).rand(8, 8, 8), np.eye(4)), tmp_path / "inputs" / "a_0000.nii.gz")
    bundle = bundle_with_seeded_weights(project, "batseg_spine", "hippocampus", tmp_path / "bundle")
    folders = {"INPUTS": tmp_path / "inputs", "OUTPUTS": tmp_path / "out", "BUNDLE_DIR": bundle}
    result = predict(project, CKPT_DIR=tmp_path / "nowhere", **folders)
    assert result.returncode == 2
    assert result.stderr == f"error: there is no folder {tmp_path}/nowhere: set CKPT_DIR to that of a training\n"
    (bundle / "models" / "plan.yaml").unlink()
    result = predict(project, **folders)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"error: {bundle}/models/plan.yaml is missing: it says what ")


def test_the_dockerfile_copies_what_there_is(project):
    """Docker itself is not needed: what can go wrong here is a path that moved."""
    lines = (project / "docker" / "Dockerfile").read_text().splitlines()
    assert "ARG BASE=python:3.12-slim" in lines, "an image of the default registry, by name"
    for bundle in ("batseg_spine", "flare_pseudolabel"):
        copied = [line.replace("${BUNDLE}", bundle).split()[1:-1] for line in lines if line.startswith("COPY ")]
        paths = [path for line in copied for path in line if "${MODELS}" not in path]
        assert {"custom", f"bundles/{bundle}/configs", "docker/predict.sh", "constraints.txt"} <= set(paths)
        assert all((project / path).exists() for path in paths)
    ignored = (project / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    assert not any(re.match(r"(custom|docker|bundles/\*/(configs|models))", line) for line in ignored)
