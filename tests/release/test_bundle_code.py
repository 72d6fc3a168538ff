"""Which code a bundle runs, and importing it without a trace."""

import os
import sys
from importlib import import_module

import pytest

from custom.release.bundle_code import CODE, VARIABLE, code_folder, importable, without_bytecode


def bundle(root, package, value):
    """A bundle whose config names a package of its own."""
    (root / "configs").mkdir(parents=True)
    (root / "configs" / "inference.yaml").write_text(f"imports: [$import {package}.part as part]\n")
    (root / package).mkdir()
    (root / package / "__init__.py").touch()
    (root / package / "part.py").write_text(f"value = {value}\n")
    return root


def test_it_is_the_package_that_the_configs_name(tmp_path, project):
    root = bundle(tmp_path / "one", "one_0_1_0", 1)
    (root / "another").mkdir()
    (root / "another" / "__init__.py").touch()
    assert code_folder(root) == root / "one_0_1_0"
    assert code_folder(root.rename(tmp_path / "called otherwise")).name == "one_0_1_0"
    assert code_folder(project / "bundles" / "batseg_spine") == CODE
    assert code_folder(tmp_path) == CODE


def test_two_folders_with_packages_of_one_name_each_run_their_own(tmp_path):
    before = list(sys.path)
    for value in (1, 2):
        root = bundle(tmp_path / str(value), "same_0_1_0", value)
        with importable(root):
            part = import_module("same_0_1_0.part")
            assert part.value == value
        assert sys.path == before
        assert not list(root.rglob("__pycache__"))
        with pytest.raises(ModuleNotFoundError):
            import_module("same_0_1_0.part")


def test_this_projects_code_stays_imported(project):
    module = sys.modules["custom.release.bundle_code"]
    with importable(project / "bundles" / "batseg_spine"):
        pass
    assert sys.modules["custom.release.bundle_code"] is module


def test_what_was_set_before_is_set_again(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for before in (None, "x"):
        monkeypatch.delenv(VARIABLE, raising=False)
        if before:
            monkeypatch.setenv(VARIABLE, before)
        with without_bytecode():
            assert sys.dont_write_bytecode and os.environ[VARIABLE] == "1"
        assert (sys.dont_write_bytecode, os.environ.get(VARIABLE)) == (False, before)
