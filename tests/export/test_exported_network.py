"""Networks loaded from files in place of trained ones."""

import pytest
import torch

from custom.errors import InputError
from custom.export import ExportedNetwork, load_exported, load_tensorrt


class Doubling(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return 2 * image


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doubling")
    torch.jit.script(Doubling()).save(str(folder / "model.ts"))
    torch.export.save(torch.export.export(Doubling(), (torch.zeros(2, 1, 4, 4, 4),)), folder / "model.pt2")
    torch.onnx.export(Doubling().eval(), (torch.zeros(2, 1, 4, 4, 4),), folder / "model.onnx", verbose=False)
    return folder


@pytest.mark.parametrize("ending", ["ts", "pt2", "onnx"])
def test_behaves_as_a_module_in_evaluation(files, ending):
    network = load_exported(files / f"model.{ending}")
    assert isinstance(network, ExportedNetwork)
    assert network.state_dict() == {}
    assert network.to("cpu").eval() is network
    image = torch.rand(2, 1, 4, 4, 4)
    assert torch.equal(network(image), 2 * image)


@pytest.mark.parametrize("ending", ["ts", "pt2", "onnx"])
def test_a_damaged_file_is_named_in_one_line(tmp_path, ending):
    (tmp_path / f"model.{ending}").write_bytes(b"no network")
    with pytest.raises(InputError) as caught:
        load_exported(tmp_path / f"model.{ending}")
    assert str(tmp_path / f"model.{ending}") in str(caught.value)
    assert "export the network again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("ending", "other"), [("ts", "pt2"), ("pt2", "ts")])
def test_an_archive_under_another_ending_is_one_line(files, tmp_path, capfd, ending, other):
    (tmp_path / f"model.{other}").write_bytes((files / f"model.{ending}").read_bytes())
    with pytest.raises(InputError, match=rf"model\.{other} holds a network as .*: rename it to end in \.{ending}"):
        load_exported(tmp_path / f"model.{other}")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("ending", ["ts", "pt2"])
def test_weights_are_no_network(tmp_path, ending):
    torch.save({"a": torch.zeros(1)}, tmp_path / f"model.{ending}")
    with pytest.raises(InputError, match="holds weights, not a network: write one with `python -m custom export`"):
        load_exported(tmp_path / f"model.{ending}")


def test_a_missing_file_and_an_unknown_ending(tmp_path):
    with pytest.raises(InputError, match=r"no exported network at .*model\.ts"):
        load_exported(tmp_path / "model.ts")
    with pytest.raises(InputError, match=r"model\.pt: unknown ending"):
        load_exported(tmp_path / "model.pt")


def test_tensorrt_wants_its_library(tmp_path):
    with pytest.raises(InputError, match="TensorRT needs"):
        load_tensorrt(tmp_path / "model_trt.ts", "cpu")
