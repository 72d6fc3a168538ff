"""The block of docs/monai_label.md, as it stands."""

from __future__ import annotations

import os
import shutil

import nibabel as nib
import pytest

from ..bundle_copies import copy_bundle, seeded_training
from ..end_to_end.documented import Places
from ..readme_commands import blocks
from .conftest import HERE, server_variables, serving

pytestmark = pytest.mark.slow

INSTALLING = "make monailabel\n"  # which `make test-monailabel` has done


def test_the_pages_commands_serve_a_training(environment, project, scans, tmp_path):
    """In a copy of the project, with weights of a seed for those of a training on the hippocampus data."""
    shutil.copytree(project / "custom", tmp_path / "custom", ignore=shutil.ignore_patterns("__pycache__"))
    bundle = copy_bundle(project, "batseg_spine", tmp_path / "bundles")
    seeded_training(bundle, bundle / "models" / "hippocampus", "hippocampus")
    (tmp_path / ".venv-monailabel").symlink_to(environment)
    (tmp_path / "scans").mkdir()
    scan = scans.image(scans.names[0])
    shutil.copy(scan, tmp_path / "scans")

    (block,) = (block for block in blocks(project / "docs" / "monai_label.md") if "start_server" in block)
    assert block.startswith(INSTALLING)
    block = Places({"scans": tmp_path / "scans"}, {}).adapted(block.removeprefix(INSTALLING))
    block = block.replace("start_server", f"start_server {' '.join(HERE)}")
    variables = {**server_variables(environment, tmp_path), "PATH": os.environ["PATH"]}
    with serving(["bash", "-euc", block], tmp_path, variables) as server:
        assert list(server.get("/info/")["models"]) == ["hippocampus"]
        label = nib.load(server.infer("hippocampus", scans.names[0], tmp_path / "label.nii.gz"))
        assert label.shape == nib.load(scan).shape
