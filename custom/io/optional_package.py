"""Packages that only some formats need: imported where they are used, missed in one line."""

from importlib import import_module
from types import ModuleType

from ..errors import InputError


def needed_package(module: str, package: str, purpose: str) -> ModuleType:
    """The module of an installed package.

    Args:
        module: as it is imported.
        package: as pip knows it.
        purpose: begins the sentence that says what needs it.

    Raises InputError: the package is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"{purpose} needs the package {package}: pip install {package}") from error
