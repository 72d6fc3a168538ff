"""Every command of README.md, docs and the spine bundle's page runs as it stands, with small data and a small network.

The releases' are in test_downloaded_releases.py, MONAI Label's in tests/monai_label.
"""

import json
import re
import shutil

import nibabel as nib
import numpy as np
import pytest
import yaml

from custom.plans import write_plan

from ..readme_commands import blocks, commands
from ..small_bundle import AFFINE, SHORT, TINY_PLAN, write_dataset
from .documented import Places, copy_of_bundle, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_commands")]

TRACKING = "--tracking mlflow"
SMALL = {**SHORT, "epochs": 1, "iterations_per_epoch": 2}
SCANS = 2


def write_plannable_dataset(folder):
    """The toy data set with its classes' names, and large enough for a network of three levels."""
    listing = json.loads((write_dataset(folder) / "dataset.json").read_text())
    labels = {"background": 0, **{name: value for value, name in enumerate(TINY_PLAN["classes"], start=1)}}
    (folder / "dataset.json").write_text(json.dumps({**listing, "labels": labels}))
    for file in folder.glob("*Tr/*.nii.gz"):
        image = nib.load(file)
        larger = np.kron(np.asarray(image.dataobj), np.ones((2, 2, 2))).astype(image.get_data_dtype())
        nib.save(nib.Nifti1Image(larger, image.affine), file)


@pytest.fixture(scope="module")
def work(project, tmp_path_factory):
    """A copy of the bundle as it is shipped, a data set, scans, KiTS masks and the overlay that makes it small."""
    folder = tmp_path_factory.mktemp("documented")
    copy_of_bundle(project, "batseg_spine", folder)
    write_plannable_dataset(folder / "dataset")
    (folder / "scans").mkdir()
    for scan in sorted((folder / "dataset" / "imagesTr").iterdir())[:SCANS]:
        shutil.copy(scan, folder / "scans")
    (folder / "kits").mkdir()
    nib.save(nib.Nifti1Image(np.tile(np.uint8([0, 1, 2, 2]), (8, 8, 2)), AFFINE), folder / "kits" / "case_00000.nii.gz")
    risk = [{"case_id": "case_00000", "aua_risk_group": "benign"}]
    (folder / "knight.json").write_text(json.dumps(risk))
    write_plan(folder / "tiny_plan.yaml", {**TINY_PLAN, "mirror_axes": [0]})
    small = {**SMALL, "default_plan": str(folder / "tiny_plan.yaml"), "mirrored": False}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(small))
    return folder


@pytest.fixture(scope="module")
def places(work):
    names = ("dataset", "scans", "labels", "kits", "knight.json", "knight", "study", "ablations", "improved", "masks")
    overlays = {"": work / "tiny.yaml"}
    typing = {"typing": "logits", "typing_file": "{needs.batseg_types.typing_file}"}
    others = {
        "study": {"settings": {"distance_head": False}},
        "study_ablations": {"settings": {"boundary_base": "l2"}},
        "study_improved": {"weights": "batseg", "evaluation": {"consensus": True, **typing}},
    }
    for config, other in others.items():
        overlays[config] = work / f"tiny_{config}.yaml"
        few = {"experiments": {"batseg": {}, "other": other}, "reference": "batseg", "folds": [3]}
        training = {key: value for key, value in SMALL.items() if key != "num_workers"}
        small = {"plan": str(work / "tiny_plan.yaml"), "training": training, "runtime": {"num_workers": 0}}
        overlays[config].write_text(yaml.safe_dump({**few, **small}))
    return Places({name: work / name for name in names}, overlays)


def page(project):
    return blocks(project / "bundles" / "batseg_spine" / "docs" / "README.md")


def test_own_scans_section_of_the_readme(project, work, places):
    (block,) = (block for block in blocks(project / "README.md") if "configs/evaluate.yaml" in block)
    run(block, places, work)
    assert len(list((work / "labels").iterdir())) == SCANS


def test_pages_of_tracking_and_export(project, work, places):
    """Installing and looking at it apart."""
    (tracking,) = (block for block in blocks(project / "docs" / "tracking.md") if TRACKING in block)
    kept = [line for line in tracking.splitlines() if not line.startswith(("pip install", "mlflow ui"))]
    run("\n".join(kept), places, work)
    assert (work / "bundles" / "batseg_spine" / "output" / "mlruns.db").exists()
    (export,) = (block for block in blocks(project / "docs" / "export.md") if "custom export" in block)
    shutil.rmtree(work / "labels", ignore_errors=True)
    run(export, places, work)
    assert len(list((work / "labels").iterdir())) == SCANS


def test_every_command_of_the_bundles_page(project, work, places):
    folder = work / "bundles" / "batseg_spine"
    commands = [block for block in page(project) if "study.yaml" not in block]
    assert len(commands) == 10
    for block in commands:
        run(block, places, folder)
    assert (folder / "models" / "model.ts").exists()


def test_studies_of_the_bundles_page(project, work, places):
    """Two experiments and one fold of each: the others differ in nothing but their values."""
    (block,) = (block for block in page(project) if "study.yaml" in block)
    run(block, places, work / "bundles" / "batseg_spine")
    for study, trainings in (("study", 2), ("ablations", 2), ("improved", 1)):
        assert "| other | batseg | Dice | 2 |" in (work / study / "study.md").read_text()
        assert len(list((work / study / "runs").glob("*_seed0_fold3/models/model.pt"))) == trainings
        assert "4 of 4 runs done" in (work / study / "report.html").read_text()
        assert len(list((work / study / "runs").glob("*_scores/output/evaluation/predictions/*.nii.gz"))) == 4
    titles = "| method | Dice | HD95 [mm] | NSD | lesion F1 | false components | wrong type |"
    assert titles in (work / "improved/study.md").read_text()


def test_small_studies_and_several_runs_at_once(project, work, places):
    """What they would do: tests/workflows/test_jobs.py does it here, tests/slurm on a cluster."""
    page = project / "docs" / "studies.md"
    _, *others = blocks(page)  # the first is the bundle's page's
    assert "custom compare" in others.pop(1)  # which needs no bundle, see below
    assert "study_demo" in others[0]
    assert "--cluster" in others[1]
    (own,) = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    assert "my_study.yaml" in others[2]
    (work / "bundles" / "batseg_spine" / "my_study.yaml").write_text(own)
    plan, here = work / "tiny_plan.yaml", work / "my_study"
    places = Places({**places.paths, "plan.yaml": plan, "my_study": here}, places.overlays)
    for command in (command for block in others for command in commands(block)):
        run(f"{command} --dry_run true", places, work / "bundles" / "batseg_spine")


def test_tables_of_several_machines_and_of_the_results(project, tmp_path):
    (block,) = (block for block in blocks(project / "docs" / "studies.md") if "custom compare" in block)
    scores = project / "bundles" / "batseg_spine" / "docs" / "scores"
    (tmp_path / "parts").mkdir()
    whole = (scores / "hippocampus.csv").read_text().splitlines(keepends=True)
    for name in ("nnunet", "batseg"):
        part = [whole[0], *(line for line in whole if line.startswith(f"{name},"))]
        (tmp_path / "parts" / f"{name}.csv").write_text("".join(part))
    run(block, Places({"folder": tmp_path / "parts", "tables": tmp_path / "tables"}, {"": tmp_path}), project)
    (block,) = (block for block in blocks(scores.parent / "results.md") if "custom compare" in block)
    run(block.replace("--output tables", "--output /path/to/all"), Places({"all": tmp_path / "all"}, {}), project)
    assert "| batseg | nnunet | Dice | 200 |" in (tmp_path / "tables" / "study.md").read_text()
    assert "| batseg | nnunet | Dice | 200 |" in (tmp_path / "all" / "study.md").read_text()


def test_demo_of_the_readme(project, work):
    """The demo's own network, for two steps on few of its phantoms."""
    command = next(
        line for line in (project / "README.md").read_text().splitlines() if "train.yaml','configs/demo" in line
    )
    folder = work / "bundles" / "batseg_spine"
    phantoms = yaml.safe_load((folder / "configs" / "demo.yaml").read_text())["dataset_dir"]
    few = phantoms.replace("num_cases=120", "num_cases=20")
    assert few != phantoms
    short = {"epochs": 1, "iterations_per_epoch": 2, "baselines": False, "dataset_dir": few}
    (work / "short.yaml").write_text(yaml.safe_dump(short))
    run(command.split("#", maxsplit=1)[0], Places({}, {"": work / "short.yaml"}), folder)
    for file in ("cases.png", "curves.png", "metrics_per_case.csv", "log.csv"):
        assert (folder / "output" / "demo" / file).stat().st_size > 0
