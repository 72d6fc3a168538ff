"""The network alone as a JSON config, for `monai.bundle.load(NAME, workflow_type="infer")`.

`load` looks for a config that is called as its workflow type and ends in .json, and without one returns bare tensors.
It also runs the config's `initialize`: with all of inference.yaml, folders would appear wherever a network is loaded.
"""

from __future__ import annotations

import json
from pathlib import Path

from monai.bundle import ConfigParser

from .code_name import renamed

NETWORK = "network_def"
PATH = "configs/infer.json"


def network_config(root: Path, package: str) -> bytes:
    """Content of configs/infer.json: `network_def` of inference.yaml with every reference replaced by its value.

    Args:
        root: the bundle's folder.
        package: name of the code in the release.
    """
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.yaml"))
    entries = {key: parser.get_parsed_content(f"{NETWORK}#{key}") for key in parser[NETWORK]}
    return renamed(json.dumps({NETWORK: entries}, indent=4) + "\n", package).encode("utf-8")
