"""Copies of the bundles that a test may change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from monai.bundle import ConfigParser

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


def fresh_weights(configs: Sequence[str | Path], file: Path, seed: int = 0, **options: object) -> Path:
    """Weights of the configs' network as a seed makes them."""
    parser = ConfigParser()
    parser.read_config([str(config) for config in configs])
    parser.update(options)
    torch.manual_seed(seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(parser.get_parsed_content("network_def").state_dict(), file)
    return file


def carry_code(root: Path, package: str) -> None:
    """Give a bundle its own copy of the code, as its release has it."""
    for path, content in (bundle_contents(root, package) | code_contents(package)).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
