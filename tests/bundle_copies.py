"""Copies of the bundles that a test may change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from custom.plans import PLAN_FILE, load_plan, write_plan
from custom.release.contents import bundle_contents, code_contents

SHIPPED = ("configs", "docs", "models", "LICENSE")
STATED = {"origin": "fresh weights of a seed, trained on nothing", "mean_dice": 0.0}


def copy_bundle(project: Path, name: str, folder: Path) -> Path:
    """The bundle's tracked files in a folder of bundles."""
    root = folder / name
    ignored = shutil.ignore_patterns("*.pt", "resume")
    for part in SHIPPED:
        source = project / "bundles" / name / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=ignored)
        else:
            shutil.copy(source, root / part)
    return root


def change_metadata(root: Path, **entries: object) -> None:
    file = root / "configs" / "metadata.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | entries, indent=4))


def fresh_weights(root: Path, file: Path, plan: str | Mapping[str, Any] = "", seed: int = 0) -> Path:
    """Weights of a bundle's network as a seed makes them, with their plan next to them; returns their file.

    Args:
        root: the bundle's folder.
        file: to write.
        plan: what the network is for, or the name of one of the bundle's plans; "": the bundle's default plan.
        seed: of the weights.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(PLAN_FILE)
    if plan:
        write_plan(beside, load_plan(plan, root) if isinstance(plan, str) else plan)
    parser = ConfigParser(ConfigParser.load_config_file(str(root / "configs" / "inference.yaml")))
    parser.update({"bundle_root": str(root), "checkpoint": str(file)})
    write_plan(beside, parser.get_parsed_content("planned"))
    torch.manual_seed(seed)
    torch.save(parser.get_parsed_content("network_def").state_dict(), file)
    return file


def carry_code(root: Path, package: str) -> None:
    """Give a bundle its own copy of the code, as its release has it."""
    for path, content in (bundle_contents(root, package) | code_contents(package)).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
