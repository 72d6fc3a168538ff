"""Checks of a release leave nothing in its folder."""

import os
import shutil
import subprocess
import sys
from textwrap import dedent

from custom.release.bytecode import VARIABLE, without_bytecode

from ..bundle_copies import carry_code

CHECK = dedent("""
    import logging, sys
    from custom.verify import verifying

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    verifying.CHECKS = {"code": lambda bundle: __import__(bundle.package + ".networks").networks.__file__}
    verifying.verify(sys.argv[1:])
    assert not sys.dont_write_bytecode
""")


def test_what_was_set_before_is_set_again(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for before in (None, "x"):
        monkeypatch.delenv(VARIABLE, raising=False)
        if before:
            monkeypatch.setenv(VARIABLE, before)
        with without_bytecode():
            assert sys.dont_write_bytecode and os.environ[VARIABLE] == "1"
        assert (sys.dont_write_bytecode, os.environ.get(VARIABLE)) == (False, before)


def test_nothing_is_written_and_each_folder_runs_its_own_code(copied, tmp_path):
    """Two folders of one release, verified by one program to which Python's own default applies."""
    root = copied("flare_pseudolabel")
    carry_code(root, "flare_1")
    other = root.with_name("other")
    shutil.copytree(root, other)
    before = {file for folder in (root, other) for file in folder.rglob("*")}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [sys.executable, "-c", CHECK, str(root), str(other)]
    result = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert [line.split("note: ")[1] for line in result.stderr.splitlines()] == [
        str(folder / "flare_1" / "networks" / "__init__.py") for folder in (root, other)
    ]
    assert {file for folder in (root, other) for file in folder.rglob("*")} == before
