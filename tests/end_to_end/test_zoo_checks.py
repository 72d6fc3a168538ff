"""The model zoo's own ci/verify_bundle.py, unchanged and in full mode, on the unpacked releases.

`make verify-zoo MODEL_ZOO=/path/to/model-zoo` with a checkout of github.com/Project-MONAI/model-zoo.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from custom.release import release

from ..bundle_checks.test_metadata import SCHEMA
from ..bundle_copies import copy_bundle, seeded_training
from .alone import begin, environment_of, required_packages

pytestmark = pytest.mark.slow

BUNDLES = ("batseg_spine", "flare_pseudolabel")
ZOOS_OWN = {"jsonschema"}  # of its requirements-dev.txt, what this check imports


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Path:
    """A folder with the zoo's ci/ and an empty models/."""
    checkout = os.environ.get("MODEL_ZOO")
    if not checkout:
        pytest.skip("MODEL_ZOO names no checkout of github.com/Project-MONAI/model-zoo")
    work = tmp_path_factory.mktemp("zoo")
    shutil.copytree(Path(checkout) / "ci", work / "ci")
    (work / "models").mkdir()
    shutil.copy(Path(checkout) / "models" / "model_info.json", work / "models")
    return work


@pytest.mark.parametrize("name", BUNDLES)
def test_verify_bundle(project, zoo, tmp_path, name):
    """As the zoo's CI prepares it: the schema in eval/, and here weights of a seed where none are shipped."""
    copy_bundle(project, name, tmp_path / "bundles")
    release(output=str(tmp_path / "dist"), source=str(tmp_path / "bundles"))
    (archive,) = (tmp_path / "dist").glob("*.zip")
    shutil.unpack_archive(archive, zoo / "models")
    root = zoo / "models" / name
    (root / "eval").mkdir()
    shutil.copy(SCHEMA, root / "eval" / "schema.json")
    seeded_training(project / "bundles" / name, root / "models")
    packages = required_packages(root / "configs" / "metadata.json") | ZOOS_OWN
    python = environment_of(packages, tmp_path / "environment")
    process = begin(python, ["python", "ci/verify_bundle.py", "-b", name, "-p", "models", "-m", "full"], zoo)
    output, errors = process.communicate(timeout=600)
    sys.stdout.write(f"{output}\n{errors}\n")
    assert process.returncode == 0, errors[-3000:]
    for line in (
        "directory is verified correctly.",
        "version and changelog are verified correctly.",
        "metadata format is verified correctly.",
        "properties are verified correctly.",
        "data shape is verified correctly.",
        "export weights into TorchScript module successfully.",
    ):
        assert line in output
