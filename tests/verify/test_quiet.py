"""Silence, and an end to it."""

import logging
import subprocess
import sys
import warnings

import pytest

from custom.verify.quiet import quiet


def speak() -> None:
    print("printed")
    sys.stderr.write("written")
    warnings.warn("warned", stacklevel=1)
    logging.getLogger("any").error("logged")
    subprocess.run([sys.executable, "-c", "print('by a program')"], check=True)


def test_nothing_within_and_everything_afterwards(capfd, caplog):
    root = logging.getLogger()
    handlers = list(root.handlers)
    with quiet():
        speak()
        root.handlers[:] = []
        root.setLevel(logging.CRITICAL)
    assert capfd.readouterr() == ("", "")
    assert not caplog.messages
    assert root.handlers == handlers
    with pytest.warns(UserWarning, match="warned"):
        speak()
    said = capfd.readouterr()
    assert "printed" in said.out and "by a program" in said.out and "written" in said.err
    assert caplog.messages == ["logged"]


def test_errors_pass(capfd):
    with pytest.raises(ValueError, match="wrong"), quiet():
        raise ValueError("wrong")
    print("again")
    assert capfd.readouterr().out == "again\n"
