"""Copies of the bundles that a test may change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from custom.datalist.kept_folds import KEPT_FOLDS
from custom.plans import MODEL_FILE, PLAN_FILE, load_plan, used_plan, write_plan
from custom.release.contents import bundle_contents, code_contents

SHIPPED = ("configs", "docs", "models", "LICENSE")
STATED = {"origin": "fresh weights of a seed, trained on nothing", "mean_dice": 0.0}


def copy_bundle(project: Path, name: str, folder: Path) -> Path:
    """The bundle's tracked files in a folder of bundles, without weights and what belongs to them."""
    root = folder / name
    ignored = shutil.ignore_patterns("*.pt", "resume", MODEL_FILE, PLAN_FILE, KEPT_FOLDS)
    for part in SHIPPED:
        source = project / "bundles" / name / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=ignored)
        else:
            shutil.copy(source, root / part)
    for emptied in [one for one in (root / "models").iterdir() if one.is_dir() and not any(one.iterdir())]:
        emptied.rmdir()
    return root


def change_metadata(root: Path, **entries: object) -> None:
    file = root / "configs" / "metadata.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries, indent=4))


def seeded_training(
    root: Path, folder: Path, plan: str | Mapping[str, Any] = "", seed: int = 0, **entries: Any
) -> Path:
    """The model.pt and plan.yaml of a training of no steps.

    Args:
        root: folder of the bundle.
        folder: to write to.
        plan: one of the bundle's by its name, or its content; "": the bundle's default plan.
        seed: of the weights.
        entries: that the plan has otherwise.

    Returns:
        The folder.
    """
    inference = ConfigParser(ConfigParser.load_config_file(str(root / "configs" / "inference.yaml")))
    content = load_plan(plan or inference["default_plan"], root) if isinstance(plan, str) else plan
    model = folder / "model.pt"
    folder.mkdir(parents=True, exist_ok=True)
    write_plan(folder / PLAN_FILE, used_plan(content, **entries))
    inference.update({"bundle_root": str(root), "checkpoint": str(model)})
    torch.manual_seed(seed)
    torch.save(inference.get_parsed_content("network_def").state_dict(), model)
    return folder


def thin_ct_plan(root: Path) -> dict[str, Any]:
    """The shipped small network's levels, thinner, on an eighth of the voxels: it labels a CT within seconds."""
    plan = load_plan("small", root)
    thin = {**plan["network"], "filters": [4, 8, 16, 24, 32]}
    windows = {"windows": "efficient", "min_foreground_voxels": 125}
    return {**plan, "spacing": [8.0, 2.4, 2.4], "patch_size": [16, 64, 96], "network": thin, "prediction": windows}


def carry_code(root: Path, package: str) -> None:
    """Give a bundle its own copy of the code, as its release has it."""
    for path, content in (bundle_contents(root, package) | code_contents(package)).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
