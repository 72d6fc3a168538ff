"""Weights of a network, and what is none."""

import pytest
import torch

from custom.engines.fitting_weights import load_fitting_weights
from custom.errors import InputError

REMEDY = "take others"


def test_weights_that_fit_are_in_the_network(tmp_path):
    source, network = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    torch.save(source.state_dict(), tmp_path / "model.pt")
    load_fitting_weights(tmp_path / "model.pt", network, REMEDY)
    assert torch.equal(network.weight, source.weight)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"weight": torch.zeros(1, 3), "bias": torch.zeros(1)}, "size mismatch for weight"),
        ({"weight": torch.zeros(1, 2)}, 'Missing key.* "bias"'),
        ({"network": {"weight": torch.zeros(1, 2)}}, "Missing key"),
        ([1, 2], "Expected state_dict to be dict-like"),
        ({1: torch.zeros(1)}, "."),
    ],
)
def test_another_content_does_not_fit(tmp_path, content, reason):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(
        InputError, match=rf"model\.pt does not fit the network \(.*{reason}.*\): take others$"
    ) as error:
        load_fitting_weights(tmp_path / "model.pt", torch.nn.Linear(2, 1), REMEDY)
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_told_in_one_line_wherever_it_is_cut(tmp_path):
    whole, file = tmp_path / "whole.pt", tmp_path / "model.pt"
    torch.save(torch.nn.Linear(2, 1).state_dict(), whole)
    content = whole.read_bytes()
    parts = [content[: len(content) * number // 8] for number in range(8)] + [b"text", b"\x80\x02" * 20]
    for part in parts:
        file.write_bytes(part)
        with pytest.raises(InputError, match=r"model\.pt cannot be read as weights: take others"):
            load_fitting_weights(file, torch.nn.Linear(2, 1), REMEDY)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"no trained weights at .*model\.pt: take others"):
        load_fitting_weights(tmp_path / "model.pt", torch.nn.Linear(2, 1), REMEDY)
