"""Every command of README.md and of the bundles' pages runs as it stands, with small data and a small network."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from ..bundles.conftest import AFFINE, TINY, write_dataset

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("documented")]

SMALL = {**TINY, "epochs": 1, "iterations_per_epoch": 2, "data_tag": ""}
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
SINGLE = re.compile(r"--config_file (configs/\w+\.yaml)")
SEVERAL = re.compile(r"--config_file \"\[(.*?)\]\"")


def blocks(file: Path) -> list[str]:
    """The shell blocks of a page that run a bundle or a command of the project."""
    return [block for block in BLOCK.findall(file.read_text()) if "-m monai.bundle" in block or "-m custom" in block]


@pytest.fixture(scope="module")
def work(project, tmp_path_factory) -> Path:
    """A copy of the bundle as it is shipped, a data set, scans, KiTS masks and the overlay that makes it small."""
    folder = tmp_path_factory.mktemp("documented")
    source = project / "bundles" / "batseg_spine"
    for part in ("configs", "docs"):
        shutil.copytree(source / part, folder / "bundles" / "batseg_spine" / part)
    write_dataset(folder / "dataset")
    shutil.copytree(folder / "dataset" / "imagesTr", folder / "scans")
    (folder / "kits").mkdir()
    nib.save(nib.Nifti1Image(np.tile(np.uint8([0, 1, 2, 2]), (8, 8, 2)), AFFINE), folder / "kits" / "case_00000.nii.gz")
    risk = [{"case_id": "case_00000", "aua_risk_group": "benign"}]
    (folder / "knight.json").write_text(json.dumps(risk))
    (folder / "tiny.yaml").write_text(yaml.safe_dump(SMALL))
    return folder


def adapted(block: str, work: Path) -> str:
    """The block with its placeholders filled and the small overlay at the end of every list of configs."""
    overlay = work / "tiny.yaml"
    block = SEVERAL.sub(lambda match: f"""--config_file "[{match.group(1)},'{overlay}']" """.rstrip(), block)
    block = SINGLE.sub(rf"""--config_file "['\1','{overlay}']" """.rstrip(), block)
    for name in ("dataset", "scans", "labels", "kits", "knight.json", "knight"):
        block = re.sub(rf"/path/to/{re.escape(name)}(?![\w.])", str(work / name), block)
    assert "/path/to" not in block
    return block


def run(block: str, work: Path, folder: Path) -> None:
    """Run a block as a user's shell would, stopping at the first error."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CUDA_VISIBLE_DEVICES": "",
    }
    result = subprocess.run(
        ["bash", "-euc", adapted(block, work)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert result.returncode == 0, f"{block}\n{result.stdout[-1500:]}\n{result.stderr[-3000:]}"


def test_own_scans_section_of_the_readme(project, work):
    readme = [block for block in blocks(project / "README.md") if "/path/to/dataset" in block]
    assert len(readme) == 1
    run(readme[0], work, work)
    assert len(list((work / "labels").iterdir())) == 10


def test_every_command_of_the_bundles_page(project, work):
    folder = work / "bundles" / "batseg_spine"
    commands = [
        block
        for block in blocks(project / "bundles" / "batseg_spine" / "docs" / "README.md")
        if "for fold" not in block
    ]
    assert len(commands) == 7
    for block in commands:
        run(block, work, folder)
    assert (folder / "models" / "model.ts").exists()


def test_cross_validation_of_the_bundles_page(project, work):
    """The loop, over one fold only: the folds differ in nothing but their number."""
    (loop,) = (
        block for block in blocks(project / "bundles" / "batseg_spine" / "docs" / "README.md") if "for fold" in block
    )
    folder = work / "bundles" / "batseg_spine"
    run(loop.replace("0 1 2 3 4", "3"), work, folder)
    for models in ("fold_3", "fold_3/baseline"):
        assert (folder / "models" / models / "model.pt").exists()
    assert (folder / "models" / "folds.json").exists()


def test_demo_of_the_readme(project, work):
    """The demo's own data and network, for two steps."""
    command = next(line for line in (project / "README.md").read_text().splitlines() if "demo.yaml" in line)
    short = command.split("#", maxsplit=1)[0] + " --epochs 1 --iterations_per_epoch 2 --baselines false"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    folder = work / "bundles" / "batseg_spine"
    result = subprocess.run(
        ["bash", "-euc", short], cwd=folder, env=environment, capture_output=True, text=True, timeout=550, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    for file in ("cases.png", "curves.png", "metrics_per_case.csv", "log.csv"):
        assert (folder / "output" / "demo" / file).stat().st_size > 0
