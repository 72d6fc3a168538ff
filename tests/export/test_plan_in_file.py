"""Exported files carry the plan of their network."""

import json
from pathlib import Path

import onnx
import pytest
import torch

from custom.errors import InputError
from custom.export import carried_plan, load_exported
from custom.export.onnx_session import add_onnx_metadata
from custom.plans import checked, write_plan

from ..plans.test_plan import WHOLE

PLAN = checked(WHOLE, "")
FACTS = {"sizes_are_multiples_of": [2, 4, 4]}
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
    """The same network in every format, with its plan as text."""
    folder.mkdir()
    torch.jit.script(Doubling()).save(str(folder / "model.ts"), _extra_files=carried)
    program = torch.export.export(Doubling(), (torch.zeros(1, 1, 2, 2, 2),))
    torch.export.save(program, folder / "model.pt2", extra_files=carried)
    doubling_in_onnx(folder / "model.onnx")
    add_onnx_metadata(folder / "model.onnx", carried)
    return folder


def export_json(plan) -> dict[str, str]:
    return {"export.json": json.dumps({"planned": plan, "export": FACTS})}


@pytest.fixture(scope="module")
def telling(tmp_path_factory):
    return written(tmp_path_factory.mktemp("carried") / "telling", export_json(PLAN))


@pytest.fixture
def silent(tmp_path):
    return written(tmp_path / "silent", {"metadata.json": "{}"})


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_is_read_from_the_file(telling, ending):
    file = telling / f"model.{ending}"
    assert carried_plan(file) == PLAN
    network = load_exported(file)
    assert network.size_multiple() == [2, 4, 4]
    assert torch.equal(network(torch.ones(1, 1, 2, 2, 2)), torch.full((1, 1, 2, 2, 2), 2.0))


def test_a_file_of_monais_own_commands_has_its_plan_next_to_it(silent):
    for ending in ENDINGS:
        file = silent / f"model.{ending}"
        with pytest.raises(InputError, match=f"{ending} does not say what its network was trained for: export it with"):
            carried_plan(file)
        assert load_exported(file).size_multiple() == [1, 1, 1]
    write_plan(silent / "plan.yaml", PLAN)
    assert all(carried_plan(silent / f"model.{ending}") == PLAN for ending in ENDINGS)


def test_a_plan_that_is_none_is_named_with_its_file(tmp_path):
    file = tmp_path / "model.ts"
    torch.jit.script(Doubling()).save(str(file), _extra_files=export_json({**PLAN, "spacing": [1, 1]}))
    with pytest.raises(InputError) as error:
        carried_plan(file)
    assert str(error.value) == (f"{file}: the plan in it: spacing is [1, 1]; it must be three sizes in mm above 0")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no exported network at .*model\.pt2"):
        carried_plan(tmp_path / "model.pt2")
