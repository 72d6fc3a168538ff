"""The network alone as a JSON config, for `monai.bundle.load(NAME, workflow_type="infer")`.

`load` looks for a config that is called as its workflow type and ends in .json, and without one returns bare tensors.
For the code, the bundle's folder must be on `sys.path`. It also runs the config's `initialize`: with all of
inference.yaml, folders would appear wherever a network is loaded.
"""

import json
from pathlib import Path

from monai.bundle import ConfigParser

from ..bundle_configs import NETWORK, made_entry
from .bundle_code import code_folder
from .package_name import renamed

PATH = "configs/infer.json"


def network_config(inference: ConfigParser, root: Path, package: str) -> bytes:
    """Content of configs/infer.json: `network_def` of an inference config with every reference replaced by its value.

    `root` is the bundle's folder, whose code must be importable, `package` the name of the code in the release. Raises
    InputError where a reference cannot be resolved.
    """
    entries = {key: made_entry(inference, f"{NETWORK}#{key}", root) for key in inference[NETWORK]}
    text = json.dumps({NETWORK: entries}, indent=4) + "\n"
    return renamed(text, package, code_folder(root).name).encode("utf-8")
