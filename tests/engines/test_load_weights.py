"""Weights that fit load; what does not is one line."""

import pytest
import torch

from custom.engines import LoadWeights
from custom.errors import InputError


def test_loads_strictly(tmp_path):
    trained, fresh = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    torch.save(trained.state_dict(), tmp_path / "model.pt")
    LoadWeights(str(tmp_path / "model.pt"), fresh)(None)
    assert torch.equal(trained.weight, fresh.weight)


def test_weights_of_another_fold_are_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 1).state_dict(), tmp_path / "model.pt")
    (tmp_path / "training.json").write_text('{"epoch": 3, "fold": 0}')
    LoadWeights(str(tmp_path / "model.pt"), torch.nn.Linear(2, 1), {"fold": 0})(None)
    with pytest.raises(InputError, match=r"model.pt was trained with fold 0, not 1: pass --fold 0"):
        LoadWeights(str(tmp_path / "model.pt"), torch.nn.Linear(2, 1), {"fold": 1})(None)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"no trained weights at .*model.pt: train first"):
        LoadWeights(str(tmp_path / "model.pt"), torch.nn.Linear(2, 1))(None)


def test_weights_of_another_network(tmp_path):
    torch.save(torch.nn.Linear(3, 1).state_dict(), tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"does not fit the network \(size mismatch for weight.*overlays") as caught:
        LoadWeights(str(tmp_path / "model.pt"), torch.nn.Linear(2, 1))(None)
    assert "\n" not in str(caught.value)


def test_a_file_that_holds_no_weights(tmp_path):
    (tmp_path / "model.pt").write_text("not weights")
    with pytest.raises(InputError, match=r"model.pt cannot be read as weights"):
        LoadWeights(str(tmp_path / "model.pt"), torch.nn.Linear(2, 1))(None)
