"""What hundreds of runs in one process would each find out again: a second for a user's one, minutes for the tests."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser
from monai.bundle.config_item import ComponentLocator
from torch import nn

from custom.networks import build


def remember(patch: pytest.MonkeyPatch) -> None:
    """Let this process remember what configs hold, which classes MONAI has, and which patches fit which networks."""
    read, check = ConfigParser.load_config_file, build.check_patch_size
    find = ComponentLocator._find_classes_or_functions

    @lru_cache(maxsize=1000)
    def contents(file: str, _: bytes) -> dict[str, Any]:
        return read(file)

    def load_config_file(filepath: str | Path, **options: Any) -> dict[str, Any]:
        known = not options and filepath and Path(filepath).is_file()
        return deepcopy(contents(str(filepath), Path(filepath).read_bytes())) if known else read(filepath, **options)

    @lru_cache
    def classes(modules: tuple[str, ...]) -> Mapping[str, list[str]]:
        return find(ComponentLocator(), modules)

    fitting = set()

    def check_patch_size(network: nn.Module, patch_size: Sequence[int]) -> None:
        if (which := (repr(network), tuple(patch_size))) not in fitting:
            check(network, patch_size)
            fitting.add(which)

    patch.setattr(ConfigParser, "load_config_file", load_config_file)
    patch.setattr(ComponentLocator, "_find_classes_or_functions", lambda _, modules: classes(tuple(modules)))
    patch.setattr(build, "check_patch_size", check_patch_size)
