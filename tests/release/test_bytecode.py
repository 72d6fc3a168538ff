"""Python writes nothing beside the code it imports, for a while."""

import os
import sys

from custom.release.bytecode import VARIABLE, without_bytecode


def test_what_was_set_before_is_set_again(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for before in (None, "x"):
        monkeypatch.delenv(VARIABLE, raising=False)
        if before:
            monkeypatch.setenv(VARIABLE, before)
        with without_bytecode():
            assert sys.dont_write_bytecode and os.environ[VARIABLE] == "1"
        assert (sys.dont_write_bytecode, os.environ.get(VARIABLE)) == (False, before)
