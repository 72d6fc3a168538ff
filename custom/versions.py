"""The versions of what computes, for records of runs."""

import platform
from importlib.metadata import PackageNotFoundError, version

from . import __version__

PACKAGES = ("torch", "monai", "numpy", "scipy", "nibabel")


def versions() -> dict[str, str]:
    """Name -> version of this project, Python and the packages that are installed."""
    found = {"this project": __version__, "Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
