"""Files that say what their network was trained for, and configs that ask for another."""

import json
import logging
from pathlib import Path

import onnx
import pytest
import torch
from custom.export.carried_facts import carried_facts

from custom.errors import InputError
from custom.export import intensity_of, load_exported
from custom.export.onnx_metadata import add_onnx_metadata

INTENSITY = {"lower": -10.0, "upper": 20.0, "mean": 5.0, "sd": 3.5}
FACTS = {"class_names": ["anterior", "posterior"], "spacing": [1.0, 1.0, 1.0], "axes": "RAS", "intensity": INTENSITY}
CARRIED = {"export.json": json.dumps({"export": FACTS})}
ENDINGS = ("ts", "pt2", "onnx")


class Doubling(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return 2 * image


def doubling_in_onnx(file: Path) -> None:
    volume = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1, 2, 2, 2]) for name in "xy"]
    node = onnx.helper.make_node("Add", ["x", "x"], ["y"])
    graph = onnx.helper.make_graph([node], "doubling", volume[:1], volume[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10), file)


def written(folder: Path, carried: dict[str, str]) -> Path:
    """The same network in every format, with text beside it."""
    folder.mkdir()
    torch.jit.script(Doubling()).save(str(folder / "model.ts"), _extra_files=carried)
    program = torch.export.export(Doubling(), (torch.zeros(1, 1, 2, 2, 2),))
    torch.export.save(program, folder / "model.pt2", extra_files=carried)
    doubling_in_onnx(folder / "model.onnx")
    add_onnx_metadata(folder / "model.onnx", carried)
    return folder


@pytest.fixture(scope="module")
def telling(tmp_path_factory):
    return written(tmp_path_factory.mktemp("carried") / "telling", CARRIED)


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    return written(tmp_path_factory.mktemp("carried") / "silent", {"metadata.json": "{}"})


@pytest.mark.parametrize("ending", ENDINGS)
def test_read_from_the_file(telling, ending):
    assert carried_facts(telling / f"model.{ending}") == FACTS


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_network_that_is_asked_for_is_loaded(telling, ending):
    expected = {name: FACTS[name] for name in ("class_names", "spacing", "axes")}
    network = load_exported(telling / f"model.{ending}", expected=expected)
    assert torch.equal(network(torch.ones(1, 1, 2, 2, 2)), torch.full((1, 1, 2, 2, 2), 2.0))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"spacing": [1, 1, 1], "class_names": ["tumour"]}, "class_names ['anterior', 'posterior'], not ['tumour']: "),
        ({"spacing": [1.0, 1.0, 1.5]}, "spacing [1.0, 1.0, 1.0], not [1.0, 1.0, 1.5]: "),
        ({"axes": "SAR"}, "axes RAS, not SAR: "),
        ({"axes": "RAS", "normalisation": "ct"}, "normalisation None, not ct: "),
    ],
)
def test_another_network_is_refused_in_one_line(telling, ending, expected, words):
    file = telling / f"model.{ending}"
    with pytest.raises(InputError) as caught:
        load_exported(file, expected=expected)
    assert str(caught.value).startswith(f"{file} is a network of {words}pass the configs and settings that it was ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_does_not_say_is_taken_with_a_warning(silent, ending, caplog):
    with caplog.at_level(logging.WARNING):
        load_exported(silent / f"model.{ending}", expected={"axes": "RAS"})
    (record,) = [record for record in caplog.records if record.name.endswith("carried_facts")]
    assert "does not say what its network was trained for" in record.getMessage()
    assert record.getMessage().endswith("it must be axes RAS")


@pytest.mark.parametrize("ending", ENDINGS)
def test_statistics_for_ct_come_from_the_file_where_it_has_them(telling, silent, tmp_path, ending):
    beside = {**INTENSITY, "mean": 7.0}
    (tmp_path / "intensity.json").write_text(json.dumps(beside))
    assert intensity_of(telling / f"model.{ending}", tmp_path / "intensity.json") == INTENSITY
    assert intensity_of(silent / f"model.{ending}", tmp_path / "intensity.json") == beside


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no exported network at .*model\.pt2"):
        intensity_of(tmp_path / "model.pt2", tmp_path / "intensity.json")
