"""The packages that a bundle's code imports, against those that its metadata name."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions

from ..errors import InputError
from ..release.contents import code_contents
from .bundle_folder import BundleFolder

STATED_APART = ("monai", "numpy", "torch")  # monai_version, numpy_version, pytorch_version
PACKAGES = "required_packages_version"


def check_packages(bundle: BundleFolder) -> None:
    """Every package without which the code cannot be imported stands in the metadata, so that users can install it."""
    stated = {normal(name) for name in bundle.metadata[PACKAGES]} | set(STATED_APART)
    known = packages_distributions()
    needed = {module: known.get(module, [module]) for module in imported_modules(bundle)}
    missing = [names[0] for names in needed.values() if not stated & {normal(name) for name in names}]
    if missing:
        raise InputError(f"configs/metadata.json: {PACKAGES} lacks {', '.join(sorted(missing))}; add their versions")


def imported_modules(bundle: BundleFolder) -> list[str]:
    """Top-level modules, other than Python's own, that the code imports as soon as it is imported itself."""
    files = code_contents("code", bundle.code)
    sources = [text.decode("utf-8") for path, text in files.items() if path.endswith(".py")]
    return sorted({name for source in sources for name in at_once(source)} - set(sys.stdlib_module_names))


def at_once(source: str) -> set[str]:
    """Top-level modules that a file imports at its top level."""
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
