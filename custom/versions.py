"""The versions of what computes, for records of runs."""

import platform

from monai.config import get_config_values

from . import __version__


def versions() -> dict[str, str]:
    """Name -> version of this project, Python, MONAI, NumPy and PyTorch."""
    return {"this project": __version__, "Python": platform.python_version(), **get_config_values()}
