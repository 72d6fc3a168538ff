"""Checkpoints as nnU-Net writes them: NumPy's numbers are read, objects that could run code are not."""

from pathlib import Path

import pytest
import torch

from custom.errors import InputError
from custom.io.nnunet_checkpoint import NUMBERS, read_checkpoint

CONTENT = {"network_weights": {"one": torch.ones(2)}, "init_args": {"device": torch.device("cpu")}, "current_epoch": 7}


class Harmful:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("harmed"),))


def test_numbers_of_numpy(tmp_path):
    numbers = [kind(1) for kind in NUMBERS]
    torch.save({**CONTENT, "logging": {"dice": numbers}}, tmp_path / "one.pth")
    assert read_checkpoint(tmp_path / "one.pth")["logging"]["dice"] == numbers


def test_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({**CONTENT, "logging": Harmful()}, "one.pth")
    with pytest.raises(InputError, match=r"one.pth cannot be read \(it holds objects of another program"):
        read_checkpoint(Path("one.pth"))
    assert not Path("harmed").exists()


def test_something_else(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "one.pth")
    with pytest.raises(InputError, match=r"one.pth has no network_weights: it is no checkpoint of nnU-Net v2"):
        read_checkpoint(tmp_path / "one.pth")
