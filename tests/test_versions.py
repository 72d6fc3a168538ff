"""Versions for records: those of the packages that are imported here."""

import platform

import monai
import torch

from custom import __version__
from custom.versions import versions


def test_the_versions_of_what_computes():
    found = versions()
    assert (found["this project"], found["Python"]) == (__version__, platform.python_version())
    assert (found["MONAI"], found["Pytorch"]) == (monai.__version__, torch.__version__)
