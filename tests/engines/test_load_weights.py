"""Weights of a network, and what is none."""

import shlex

import monai.bundle
import pytest
import torch
import yaml

from custom.engines import LoadWeights
from custom.engines.load_weights import load_fitting_weights
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
        with pytest.raises(
            InputError, match=r"^[^\n]*model\.pt cannot be read \(it is .*\): restore it, or pass other"
        ):
            load_fitting_weights(file, torch.nn.Linear(2, 1), REMEDY)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"no trained weights at .*model\.pt: take others"):
        load_fitting_weights(tmp_path / "model.pt", torch.nn.Linear(2, 1), REMEDY)


def test_loads_strictly(tmp_path):
    trained, fresh = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    torch.save(trained.state_dict(), tmp_path / "model.pt")
    LoadWeights(str(tmp_path / "model.pt"), fresh)(None)
    assert torch.equal(trained.weight, fresh.weight)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"no trained weights at .*model.pt: train first"):
        LoadWeights(str(tmp_path / "model.pt"), torch.nn.Linear(2, 1))(None)


def test_weights_of_another_network(tmp_path):
    """Where a plan lies next to them, it is the plan that was built."""
    torch.save(torch.nn.Linear(3, 1).state_dict(), tmp_path / "model.pt")
    for remedy in ("pass weights of this network", r"the plan next to it, .*plan\.yaml, is of another training"):
        said = rf"does not fit the network \(size mismatch for weight.*\): {remedy}$"
        with pytest.raises(InputError, match=said) as caught:
            LoadWeights(str(tmp_path / "model.pt"), torch.nn.Linear(2, 1))(None)
        assert "\n" not in str(caught.value)
        (tmp_path / "plan.yaml").touch()


def test_a_file_that_holds_no_weights(tmp_path):
    (tmp_path / "model.pt").write_text("not weights")
    with pytest.raises(InputError, match=r"model.pt cannot be read \(it is damaged"):
        LoadWeights(str(tmp_path / "model.pt"), torch.nn.Linear(2, 1))(None)


def test_weights_that_a_release_lists_apart_are_to_be_downloaded(tmp_path):
    """The message's command is MONAI's, and gets them."""
    weights = tmp_path / "served" / "model.pt"
    weights.parent.mkdir()
    torch.save(torch.nn.Linear(2, 1).state_dict(), weights)
    entry = {"path": "models/model.pt", "url": weights.as_uri()}
    root = tmp_path / "my bundle"
    root.mkdir()
    (root / "large_files.yml").write_text(yaml.safe_dump({"large_files": [entry]}))
    load = LoadWeights(str(root / "models" / "model.pt"), torch.nn.Linear(2, 1))
    with pytest.raises(InputError, match=r"no trained weights at .*: download them with `python -m .*`") as caught:
        load(None)
    assert "\n" not in str(caught.value)
    _, _, module, command, *options = shlex.split(str(caught.value).split("`")[1])
    assert (module, command, options) == ("monai.bundle", "download_large_files", ["--bundle_path", str(root)])
    monai.bundle.download_large_files(options[1])
    load(None)
