"""The pages of a trained bundle are true of it, and pass the checks that the bundles' own pages pass."""

import json
import os
import subprocess
import sys

import pytest
from custom.verify.bundle_folder import BundleFolder
from custom.verify.configs import check_entries
from custom.verify.documentation import check_commands, check_sections
from custom.verify.weights import check_weights

from custom.release.bytecode import forget_code
from custom.release.contents import bundle_contents
from custom.release.trained_bundle import trained_bundle
from custom.release.trained_page import trained_pages
from custom.release.weight_claims import weight_claims

from ..bundle_copies import fresh_weights

TRAINED = [("batseg_spine", "hippocampus"), ("flare_pseudolabel", "big"), ("flare_pseudolabel", "phantoms")]


@pytest.fixture
def served(copied, tmp_path):
    """Makes a trained bundle of a bundle and an overlay, with weights of a seed."""

    def make(name, *overlays):
        root = copied(name)
        configs = [root / "configs" / f"{config}.yaml" for config in ("inference", *overlays)]
        model = fresh_weights(configs, tmp_path / "trained" / "model.pt")
        model.with_name("training.json").write_text(json.dumps({"epoch": 7, "fold": 0, "num_folds": 5}))
        model.with_name("intensity.json").write_text("{}")
        own = tmp_path / "models" / "own"
        own.parent.mkdir()
        trained_bundle(str(root), str(own), ",".join(overlays), str(model))
        return own

    yield make
    forget_code(tmp_path / "models" / "own", "own_0_1_0")


@pytest.mark.parametrize(("name", "overlay"), TRAINED)
def test_its_sections_and_commands_are_those_of_a_bundle(served, tmp_path, name, overlay):
    own = served(name, overlay)
    bundle = BundleFolder(own, tmp_path)
    check_sections(bundle)
    check_commands(bundle)
    assert check_weights(bundle) == "", "weights that fit, and no page that denies them"
    check_entries(bundle)
    for foreign in ("configs/pipeline.yaml", overlay, "prepare_knight", "make demo"):
        assert foreign not in (own / "docs" / "README.md").read_text(), foreign


def test_it_states_what_was_trained(served):
    own = served("batseg_spine", "hippocampus")
    page = (own / "docs" / "README.md").read_text()
    for fact in (
        "| 1 | anterior |\n| 2 | posterior |\n",
        "patches of 40 x 56 x 40 voxels at 1 x 1 x 1 mm",
        "The weights are those of `epoch` 7, `fold` 0, `num_folds` 5",
        "a training of the bundle `batseg_spine`, version 0.1.0",
        "python -m own_0_1_0 export",
    ):
        assert fact in page, fact
    assert "$" not in page
    beside = (own / "models" / "README.md").read_text()
    assert "`intensity.json` and `training.json` belong to them." in beside
    licence = (own / "docs" / "data_license.txt").read_text()
    assert "Hippocampus: CC BY-SA 4.0" in licence and "demo" not in licence
    assert weight_claims(bundle_contents(own, "own_0_1_0")) == []


def test_scores_are_shown_where_the_metadata_state_them(project):
    root = project / "bundles" / "flare_pseudolabel"
    files = bundle_contents(root, "code")
    metadata = json.loads(files["configs/metadata.json"]) | {"eval_metrics": {"origin": "somewhere", "mean_dice": 0.8}}
    files["configs/metadata.json"] = json.dumps(metadata).encode()
    train = {"epochs": 2, "iterations_per_epoch": 3, "batch_size": "@epochs", "learning_rate": 0.1}
    pages = trained_pages(files, train | {"patch_size": [8, 16, 8], "spacing": [1.5, 1, 1]}, "one", "code")
    page = pages["docs/README.md"].decode()
    assert "- origin: somewhere\n- mean_dice: 0.8\n" in page
    assert "2 epochs of 3 steps, batch 2, learning rate 0.1, patches of 8 x 16 x 8 voxels at 1.5 x 1 x 1 mm" in page
    assert "The weights are those" not in page


@pytest.mark.slow
def test_a_trained_flare_bundle_passes_every_check_and_nothing_is_written_into_it(served):
    own = served("flare_pseudolabel")
    before = {file: file.read_bytes() for file in own.rglob("*") if file.is_file()}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [sys.executable, "-m", "custom", "verify", "--bundle", str(own)]
    result = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "own: documented commands run: ok\n" in result.stderr
    assert "own: weights: ok\n" in result.stderr
    assert {file: file.read_bytes() for file in own.rglob("*") if file.is_file()} == before
