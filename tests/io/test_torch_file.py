import pickle
import zipfile

import numpy as np
import pytest
import torch

from custom.errors import InputError
from custom.io.torch_file import load_mapping, load_tensors

WEIGHTS = {"a.weight": torch.ones(2, 3), "a.count": torch.tensor(4)}


class Foreign:
    """An object of a program that is not ours."""


def said(file):
    with pytest.raises(InputError) as caught:
        load_tensors(file, "take others")
    line = str(caught.value)
    assert line.startswith(str(file))
    assert line.endswith(": take others")
    assert "\n" not in line
    return line.removeprefix(f"{file} ").removesuffix(": take others")


def test_weights_come_back_as_they_were(tmp_path):
    torch.save(WEIGHTS, tmp_path / "model.pt")
    loaded = load_tensors(tmp_path / "model.pt", "")
    assert loaded.keys() == WEIGHTS.keys()
    assert all(torch.equal(loaded[key], value) for key, value in WEIGHTS.items())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([1, 2], "holds a list, no dictionary"),
        (torch.ones(2), "holds a Tensor, no dictionary"),
        ({}, "holds nothing, no plain weights"),
        ({1: torch.zeros(1)}, "holds 1, no plain weights"),
        ({"epoch": 3, "state_dict": WEIGHTS, "callbacks": {}}, "holds epoch, state_dict, callbacks, no plain weights"),
        (
            {"network_weights": WEIGHTS, "logging": 1, "x": 1, "y": 1, "z": 1},
            "holds network_weights, logging, x, y, ...",
        ),
        ({"a": torch.tensor([1.0, float("nan")])}, "holds weights that are NaN or infinite (a)"),
        ({"init_args": np.float64(0.5), **WEIGHTS}, "cannot be read (it holds objects of another program, which could"),
        ({"trainer": Foreign()}, "cannot be read (it holds objects of another program, which could run code)"),
    ],
    ids=range(9),
)
def test_checkpoints_of_other_trainers_are_named(tmp_path, content, expected):
    torch.save(content, tmp_path / "model.pt")
    assert said(tmp_path / "model.pt").startswith(expected)


def test_files_of_other_frameworks_are_named(tmp_path):
    file = tmp_path / "model.pt"
    for content, what in (
        (b"", "it is empty"),
        (b"\x89HDF\r\n\x1a\n", "it is HDF5 (Keras, TensorFlow)"),
        (b"\x93NUMPY\x01\x00", "it is NumPy"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a pointer of Git LFS: fetch the file itself"),
        (pickle.dumps([1, 2]), "it is damaged, or of another format"),
        (b'\x08\x00\x00\x00\x00\x00\x00\x00{"a":{}}', "it is damaged, or of another format"),
    ):
        file.write_bytes(content)
        assert said(file) == f"cannot be read ({what})"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("weights.npz", b"0")
    assert said(file) == "cannot be read (it is damaged, or of another format)"
    torch.jit.script(torch.nn.Linear(2, 1)).save(str(tmp_path / "model.ts"))
    assert said(tmp_path / "model.ts").startswith("cannot be read (an exported network: pass it as --exported")
    assert said(tmp_path) == "cannot be read (it is a folder)"


def test_a_file_is_named_wherever_a_bit_was_lost(tmp_path):
    torch.save(WEIGHTS, tmp_path / "whole.pt")
    whole, file = (tmp_path / "whole.pt").read_bytes(), tmp_path / "model.pt"
    for place in range(0, len(whole), 61):
        file.write_bytes(whole[:place])
        assert "cannot be read" in said(file)
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            load_mapping(file, "take others")
        except InputError as error:
            assert str(error).endswith(": take others")  # a bit of a tensor's own values may go unseen
