"""The two studies of `docs/studies.md` for trying, as they stand: every row of the papers' tables on phantoms."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from ..readme_commands import blocks, commands
from .documented import copy_of_bundle

pytestmark = pytest.mark.studies

PAPERS = ("batseg", "nnunet", "swin_unetr", "nnformer", "ux_net", *(f"two_stage_{one}" for one in ("resnet", "unet")))
ABLATIONS = ("raw_distance", "truncated_only", "truncation_2", "class_agnostic", "l2_base", "ce_base", "unweighted")


@pytest.mark.parametrize(
    ("number", "work", "rows", "count"),
    [(0, "study", (*PAPERS, "two_stage_unet_mask", "mednext_batseg"), 13), (1, "study_ablations", ABLATIONS, 13)],
    ids=["Table 3", "Tables 5 to 8"],
)
def test_every_row_is_trained_and_scored(project, tmp_path, number, work, rows, count):
    (block,) = (one for one in blocks(project / "docs" / "studies.md") if "study_demo" in one)
    folder: Path = copy_of_bundle(project, "batseg_spine", tmp_path)
    subprocess.run(shlex.split(commands(block)[number]), cwd=folder, check=True, timeout=1800)
    text = (folder / "output" / work / "study.md").read_text(encoding="utf-8")
    first, spread, *_ = text.split("| method |")[1:]
    assert "meningioma: Dice / HD95 [mm]" in first
    for table in (first, spread):
        lines = [line for line in table.splitlines()[2:] if line.startswith("|")]
        assert len(lines) == count
        for line in lines:
            numbers = re.findall(r"\d+\.\d+", line)
            assert len(numbers) >= 10, "Dice and HD95 of each class and of all, or six metrics with deviations"
        for row in rows:
            assert any(line.startswith(f"| {row} |") for line in lines), row
    page = (folder / "output" / work / "report.html").read_text(encoding="utf-8")
    assert "<title>" in page
    assert "astrocytoma" in page
