"""Every command of the FLARE bundle's page and configs, and of docs/own_scans.md, runs as it stands, on small data."""

import csv
import json
import shutil
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure

from custom.cohort.manifest import FLARE_CLASSES, FLARE_DATASET2, read_cohort
from custom.plans import load_plan, read_plan, write_plan

from ..conftest import real_data_folder
from ..readme_commands import blocks, commands, header_commands
from ..small_bundle import AFFINE, SHAPE, TINY_FLARE_PLAN, write_dataset
from .documented import Places, copy_of_bundle, run, run_here

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_commands")]

TUMOUR = len(FLARE_CLASSES)
PARTIAL = "pipeline_partial"  # the commands for any partly annotated scans, see test_partly_annotated_scans
HEADNECK = ("brainstem", "spinal_cord", "right_parotid", "left_parotid", "oesophagus", "larynx", "mandible")
DATASET1 = tuple(range(1, TUMOUR))
DATASET2 = tuple(FLARE_CLASSES.index(name) + 1 for name in FLARE_DATASET2)
SHORTEST = {"epochs": 1, "iterations_per_epoch": 2, "elastic_magnitude": 1.0, "elastic_spacing": 4.0}
RUNTIME = {"num_workers": 0, "amp": False, "cpu_bfloat16": False}


def write_overlays(folder: Path, bundle: Path) -> dict[str, Path]:
    """By config, see Places: overlays with tiny plans."""
    tiny, halves, coarse = (folder / f"{name}_plan.yaml" for name in ("tiny", "halves", "coarse"))
    write_plan(tiny, {**TINY_FLARE_PLAN, "classes": list(FLARE_CLASSES), "scoring": {}})
    write_plan(halves, {**TINY_FLARE_PLAN, "classes": ["anterior", "posterior"], "scoring": {}})
    grid = {"spacing": [16.0, 12.0, 12.0], "patch_size": [16, 24, 24]}
    write_plan(coarse, {**load_plan("phantoms", bundle), **grid, "prediction": {"min_foreground_voxels": 2}})
    same_plan = {f"recipe#{stage}#settings": {} for stage in range(4)}
    contents = {
        "": {"default_plan": str(tiny), **SHORTEST, **RUNTIME},
        # --plan hippocampus has two classes
        "few_steps": {"class_names": list(FLARE_CLASSES), "patch_size": [16, 16, 16], **SHORTEST, **RUNTIME},
        "pipeline": {"plan": str(tiny), "training": SHORTEST, "runtime": RUNTIME, **same_plan},
        # with the network that `plan` gives
        "pipeline_partial": {
            "training": {**SHORTEST, "iterations_per_epoch": 1, "batch_size": 1},
            "runtime": RUNTIME,
        },
        "seeds": {},
        "pipeline_hippocampus": {"training": {"plan": str(halves), **SHORTEST}, "runtime": RUNTIME},
        "demo": {
            **{"phantoms#num_cases": 12, "phantoms#num_validation": 2, "runtime": RUNTIME},
            **{"training": {"plan": str(coarse), **SHORTEST}, "tumours": {}, "refined": {}, "small": {}},
            "recipe#0#settings": {},
        },
    }
    for name, content in contents.items():
        (folder / f"tiny{name}.yaml").write_text(yaml.safe_dump(content))
    return {name: folder / f"tiny{name}.yaml" for name in contents}


def write_scan(folder: Path, number: int, classes: tuple[int, ...], where: str, labels: str | None = None) -> None:
    """A box of its own brightness for every class, labelled where the class is one of `classes`."""
    random = np.random.RandomState(number)
    label = np.zeros(SHAPE, np.uint8)
    for value in range(1, TUMOUR + 1):
        x, y, z = np.unravel_index(value - 1, (3, 3, 3))
        label[4 * x : 4 * x + 3, 4 * y + 1 : 4 * y + 4, 5 * z : 5 * z + 4] = value
    image = 20.0 * label + random.normal(0, 3, SHAPE)
    kinds = [(where, "_0000", image.astype(np.int16))]
    if labels:
        kinds.append((labels, "", np.where(np.isin(label, classes), label, 0).astype(np.uint8)))
    for kind, channel, volume in kinds:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(volume, AFFINE), folder / kind / f"FLARE23_{number:04d}{channel}.nii.gz")


def write_flare(folder: Path) -> None:
    """As the challenge's folders: dataset1 to dataset3 in one, unlabelled scans, two for validation."""
    annotated = [DATASET1] * 4 + [DATASET2] * 2 + [(1,)] * 2
    for number, classes in enumerate(annotated):
        write_scan(folder, number, classes, "imagesTr2200", "labelsTr2200")
    for number in (8, 9):
        write_scan(folder, number, (), "unlabeledTr1800")
    for number in (10, 11):
        write_scan(folder, number, (*DATASET1, TUMOUR), "imagesVal", "labelsVal")


def write_headneck(folder: Path) -> None:
    """Partly annotated scans with seven classes: real head-and-neck CTs, every third voxel of them; else boxes."""
    real = real_data_folder() / "headneck"
    if not real.is_dir():
        annotated = [range(1, 8)] * 5 + [range(1, 6), range(2, 8), (1, 2, 3, 4)]
        for number, classes in enumerate(annotated):
            write_scan(folder, number, tuple(classes), "imagesTr", "labelsTr")
        return
    with (real / "annotated.csv").open() as file:
        organs = {row["case"]: row["annotated"].split() for row in csv.DictReader(file)}
    complete = [case for case, names in organs.items() if len(names) == len(HEADNECK)]
    partial = [case for case, names in organs.items() if "oesophagus" in names and case not in complete]
    for case in complete[:5] + partial[:3]:
        for kind in ("imagesTr", "labelsTr"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            nib.save(nib.load(real / kind / f"{case}.nii.gz").slicer[::3, ::3, ::3], folder / kind / f"{case}.nii.gz")


@pytest.fixture(scope="module")
def work(project, tmp_path_factory):
    """A copy of the bundle, a folder like FLARE's, a data set, one with two classes, scans, and small overlays."""
    folder = tmp_path_factory.mktemp("documented_flare")
    copy_of_bundle(project, "flare_pseudolabel", folder)
    write_flare(folder / "flare")
    for number in range(10):
        write_scan(folder / "dataset", number, (*DATASET1, TUMOUR), "imagesTr", "labelsTr")
    shutil.copytree(folder / "flare" / "imagesVal", folder / "scans")
    write_headneck(folder / "headneck")
    task = write_dataset(folder / "Task04")
    listing = json.loads((task / "dataset.json").read_text())
    listing["labels"] = {"0": "background", "1": "Anterior", "2": "Posterior"}
    (task / "dataset.json").write_text(json.dumps(listing))
    return folder


@pytest.fixture(scope="module")
def places(work):
    names = (
        "flare",
        "cohort.json",
        "work",
        "dataset",
        "scans",
        "labels",
        "Task04",
        "headneck",
        "headneck.json",
        "plan.yaml",
    )
    overlays = write_overlays(work, work / "bundles" / "flare_pseudolabel")
    return Places({name: work / name for name in names}, overlays)


def fewer(block: str) -> str:
    """Two cases for validation, of the few there are."""
    return block.replace("--validation 50", "--validation 2").replace("--validation 40", "--validation 2")


def test_every_command_of_the_page(project, work, places):
    """Two stages in one process, the other three in two; in the end nothing is left to do."""
    folder = work / "bundles" / "flare_pseudolabel"
    page = blocks(project / "bundles" / "flare_pseudolabel" / "docs" / "README.md")
    page = [block for block in page if PARTIAL not in block]
    recipe = [block for block in page if "pipeline.yaml" in block]
    (cohort,) = (block for block in page if "custom cohort" in block)
    (whole,) = (block for block in recipe if block.count("\n") == 1 and "--until" not in block)
    (plan,) = (block for block in recipe if "--dry_run" in block)
    (two_stages,) = (block for block in recipe if "--until 2" in block)
    (processes,) = (block for block in recipe if "torchrun" in block)
    (at_once,) = (block for block in recipe if "--jobs" in block)
    single = [block for block in page if block not in recipe and block != cohort]
    assert len(single) == 7, "plan, train, evaluate, inference, measure, report, export"

    said = run(fewer(cohort), places, folder)
    assert "validation: 2 of 4 completely annotated cases" in said
    assert len(read_cohort(work / "cohort.json").validation) == 4
    said = run(plan, places, folder)
    assert "dataset1 2, dataset2 2, dataset3 2, dataset4 2, validation 4 cases" in said
    for command in commands(at_once):  # done by tests/workflows/test_pipeline_jobs.py, and on a cluster by tests/slurm
        run(f"{command} --dry_run true", places, folder)
    assert not (work / "work" / "stages").exists()
    run(two_stages, places, folder)
    assert sorted(path.name for path in (work / "work" / "stages").iterdir()) == ["1_organs", "2_tumours"]
    run(processes, places, folder)
    records = sorted((work / "work" / "stages").glob("*/record.json"))
    assert [json.loads(file.read_text())["state"] for file in records] == ["done"] * 5
    assert len(list((work / "work" / "stages" / "5_small" / "labels").glob("*.nii.gz"))) == 2
    before = {file: file.stat().st_mtime_ns for file in (work / "work" / "stages").rglob("*")}
    run(whole, places, folder)
    assert {file: file.stat().st_mtime_ns for file in (work / "work" / "stages").rglob("*")} == before

    for block in single:
        run(block, places, folder)
    assert (folder / "models" / "model.ts").exists()
    assert json.loads((work / "work" / "efficiency" / "small.json").read_text())
    assert len(list((work / "labels").iterdir())) == 2


def test_partly_annotated_scans(project, work, places):
    """From a folder of scans to the labels of new ones in the commands that the page shows."""
    (block,) = (
        block for block in blocks(project / "bundles" / "flare_pseudolabel" / "docs" / "README.md") if PARTIAL in block
    )
    assert len(commands(block)) == 4
    shorter = block.replace("--validation 12", "--validation 2")
    (work / "headneck_scans").mkdir()
    scans = sorted((work / "headneck" / "imagesTr").iterdir())[:2]
    for scan in scans:
        shutil.copy(scan, work / "headneck_scans")
    places = Places(
        {
            **places.paths,
            "work": work / "partial",
            "labels": work / "partial_labels",
            "scans": work / "headneck_scans",
        },
        places.overlays,
    )
    said = run(shorter, places, work / "bundles" / "flare_pseudolabel")
    assert "dataset1: 3 cases" in said
    assert "dataset3: 3 cases" in said
    assert tuple(read_plan(work / "plan.yaml")["classes"]) == HEADNECK
    for scan, labelled in zip(scans, sorted((work / "partial_labels").iterdir()), strict=True):
        label = nib.load(labelled)
        assert label.shape == nib.load(scan).shape
        assert set(np.unique(label.dataobj)) <= set(range(len(HEADNECK) + 1))


def test_comparison_on_head_and_neck_is_planned(work, places):
    """The whole takes hours; the commands up to the plan of every stage, with tables of what is annotated."""
    labels = sorted((work / "headneck" / "labelsTr").iterdir())
    found = {file.name.split(".")[0]: set(np.unique(nib.load(file).dataobj)) - {0} for file in labels}
    rows = [f"{name},{' '.join(HEADNECK[int(value) - 1] for value in sorted(ids))}" for name, ids in found.items()]
    (work / "headneck" / "annotated.csv").write_text("\n".join(["case,annotated", *rows]))
    places = Places(
        {**places.paths, "work": work / "compared", "headneck.json": work / "compared.json"}, places.overlays
    )
    folder = work / "bundles" / "flare_pseudolabel"
    cohort, runs = header_commands(folder / "configs" / "pipeline_headneck.yaml")
    smaller = cohort.replace("--test 12 --validation 5 --withhold 40", "--test 2 --validation 1 --withhold 1")
    assert smaller != cohort
    run_here(smaller, places, folder)
    uses = Counter(case.use for case in read_cohort(work / "compared.json").cases)
    assert uses == {"training": 5, "validation": 1, "test": 2}
    assert header_commands(folder / "configs" / "seeds.yaml") == [runs]
    run_here(f"{runs} --dry_run true", places, folder)
    assert not (work / "compared").exists() or not list((work / "compared").rglob("stages"))


def test_recipe_of_the_page_on_own_scans(project, work, places):
    """After the page's commands: the manifest is made again as it was, so nothing is done twice."""
    (block,) = (block for block in blocks(project / "docs" / "own_scans.md") if "custom cohort" in block)
    run(fewer(block), places, work)
    assert (work / "work" / "report.md").exists()


def test_commands_of_the_configs(work, places, monkeypatch):
    """Without pictures, most of the work; multi_gpu_train's is run by tests/bundles/test_several_processes.py."""
    monkeypatch.setattr(Figure, "savefig", lambda _, file, *args, **kwargs: Path(file).write_bytes(b""))
    folder = work / "bundles" / "flare_pseudolabel"
    configs = ("train", "evaluate", "inference", "few_steps", "pipeline_hippocampus", "demo")
    for name in configs:
        commands = header_commands(folder / "configs" / f"{name}.yaml")
        assert len(commands) == (2 if name == "pipeline_hippocampus" else 1), name
        for command in commands:
            run_here(fewer(command), places, folder)
    for models in ("", "hippocampus"):
        assert (folder / "models" / models / "model.pt").exists(), models
    for report in (folder / "output" / "demo" / "report.md", folder / "output" / "partial" / "report.md"):
        assert "missing_as_background" in report.read_text()
    sets = {case.annotated for case in read_cohort(folder / "data" / "partial" / "cohort.json").training}
    assert sets == {(1,), (2,), ()}
