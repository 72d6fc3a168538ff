"""configs/metadata.json against MONAI's schema, the configs and the code."""

import ast
import shutil
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from monai.bundle import verify_metadata

from custom.export.channel_names import channel_name
from custom.release.contents import code_contents

SCHEMA = Path(__file__).with_name("metadata_schema.json")
STATED_APART = {"monai", "numpy", "torch"}  # monai_version, numpy_version, pytorch_version


def test_entries_have_the_types_of_monais_schema(bundle, tmp_path):
    shutil.copy(SCHEMA, tmp_path / "schema.json")  # which MONAI would download
    verify_metadata(meta_file=bundle.metadata_file, filepath=str(tmp_path / "schema.json"))


@pytest.mark.parametrize("config", ["train", "inference"])
def test_channels_and_patch_are_those_of_the_configs(bundle, config):
    parser = bundle.parser(config)
    formats = bundle.metadata["network_data_format"]
    image, prediction = formats["inputs"]["image"], formats["outputs"]["pred"]
    names = ["background", *map(channel_name, parser.get_parsed_content("class_names"))]
    assert image["num_channels"] == parser.get_parsed_content("num_channels")
    assert image["spatial_shape"] == prediction["spatial_shape"] == list(parser.get_parsed_content("patch_size"))
    assert prediction["num_channels"] == len(names)
    assert prediction["channel_def"] == {str(number): name for number, name in enumerate(names)}


def test_packages_that_the_code_imports_at_once_are_named(bundle):
    stated = {normal(name) for name in bundle.metadata["required_packages_version"]} | STATED_APART
    known = packages_distributions()
    sources = [text for path, text in code_contents("code", bundle.code).items() if path.endswith(".py")]
    modules = {name for text in sources for name in imported_at_once(text)} - set(sys.stdlib_module_names)
    missing = {module for module in modules if not stated & {normal(name) for name in known.get(module, [module])}}
    assert not missing, "add their packages to required_packages_version"


def imported_at_once(source: bytes) -> set[str]:
    """Top-level modules that a file imports at its top level, by absolute imports."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).partition(".")[0])
    return found


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return name.lower().replace("_", "-").replace(".", "-")
