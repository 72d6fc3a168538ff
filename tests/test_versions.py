"""Versions for records: those of the packages that are imported here."""

import platform

import monai
import torch

from custom import __version__, versions


def test_the_versions_of_what_computes(monkeypatch):
    monkeypatch.setattr(versions, "PACKAGES", ("torch", "monai", "no_such_package"))
    assert versions.versions() == {
        "this project": __version__,
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "monai": monai.__version__,
    }
