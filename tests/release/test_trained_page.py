"""The pages of a trained bundle are true of it, and it passes the checks that the project's bundles pass."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from custom.release import release, trained_bundle
from custom.release.contents import bundle_contents
from custom.release.trained_page import trained_pages

from ..bundle_copies import STATED, change_metadata, seeded_training

TRAINING = {"epoch": 7, "fold": 0, "num_folds": 5}


def trained(project, folder, name, plan):
    """A trained bundle of a bundle and one of its plans, with weights of a seed."""
    root = project / "bundles" / name
    training = seeded_training(root, folder / "training" / plan, plan, training=TRAINING)
    trained_bundle(str(root), str(folder / "own" / f"own_{plan}"), str(training))
    return folder / "own" / f"own_{plan}"


@pytest.mark.slow
def test_trained_bundles_and_releases_pass_every_check_and_stay_as_they_are(project, tmp_path):
    """One of one bundle, and the unpacked release of one of the other, which has the same files."""
    own = [
        trained(project, tmp_path, "batseg_spine", "hippocampus"),
        trained(project, tmp_path, "flare_pseudolabel", "phantoms"),
    ]
    for root in own:
        change_metadata(root, eval_metrics=STATED)
    release(output=str(tmp_path / "dist"), source=str(tmp_path / "own"), url="https://host/files")
    shutil.unpack_archive(tmp_path / "dist" / "own_hippocampus_v0.1.0.zip", tmp_path / "unpacked")
    unpacked = (tmp_path / "unpacked" / "own_hippocampus").rename(tmp_path / "unpacked" / "called otherwise")
    roots = [own[1], unpacked]
    before = {file: file.read_bytes() for root in roots for file in root.rglob("*") if file.is_file()}
    options = [f"--bundle={root}" for root in roots] + [f"--model_info={tmp_path / 'dist' / 'model_info.json'}"]
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "tests/bundle_checks", *options]
    settings = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    result = subprocess.run(command, cwd=project, env=settings, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-5000:]
    assert "test_files.py" not in result.stdout.partition("short test summary")[2], "published versions were compared"
    assert {file: file.read_bytes() for root in roots for file in root.rglob("*") if file.is_file()} == before


def test_it_states_what_was_trained(project, tmp_path):
    own = trained(project, tmp_path, "batseg_spine", "hippocampus")
    page = (own / "docs" / "README.md").read_text()
    for fact in (
        "| 1 | anterior |\n| 2 | posterior |\n",
        "Batches of 9 patches of 40 x 56 x 40 voxels at 1 x 1 x 1 mm",
        "The weights are those of `epoch` 7, `fold` 0, `num_folds` 5",
        "a training of the bundle `batseg_spine`, version 0.1.0",
        "python -m own_hippocampus_0_1_0 export",
    ):
        assert fact in page, fact
    for foreign in ("configs/pipeline.yaml", "baseline", "prepare_knight", "make demo", "$"):
        assert foreign not in page, foreign
    assert "`plan.yaml` belongs to them." in (own / "models" / "README.md").read_text()
    licence = (own / "docs" / "data_license.txt").read_text()
    assert "Hippocampus: CC BY-SA 4.0" in licence and "demo" not in licence


def test_scores_are_shown_where_the_metadata_state_them(project):
    root = project / "bundles" / "flare_pseudolabel"
    files = bundle_contents(root, "code")
    metadata = json.loads(files["configs/metadata.json"]) | {"eval_metrics": {"origin": "somewhere", "mean_dice": 0.8}}
    files["configs/metadata.json"] = json.dumps(metadata).encode()
    plan = {"patch_size": [8, 16, 8], "spacing": [1.5, 1, 1], "batch_size": 2, "training": {}}
    page = trained_pages(files, plan, "one", "code")["docs/README.md"].decode()
    assert "- origin: somewhere\n- mean_dice: 0.8\n" in page
    assert "Batches of 2 patches of 8 x 16 x 8 voxels at 1.5 x 1 x 1 mm" in page
    assert "The weights are those" not in page
