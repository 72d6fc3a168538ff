"""What a head answers inside of each class, from hand-made fields."""

import pytest
import torch
from ignite.engine import Engine
from monai.utils import CommonKeys

from custom.engines.field_response import FieldResponse, inside_sums


def batch(answer: list[float]) -> dict:
    """Two voxels of each of two classes, one of background; a head that answers these shares of the true field."""
    label = torch.tensor([0, 1, 1, 2, 2]).reshape(1, 1, 5, 1, 1).float()
    true = torch.stack([label == number for number in range(3)], dim=1)[:, :, 0].float() * 0.8
    field = true * torch.tensor([1.0, *answer]).reshape(1, 3, 1, 1, 1)
    field[:, 1:, 0] = 0.9  # outside of every class, which does not count
    return {CommonKeys.PRED: (None, field), CommonKeys.LABEL: {"label": label, "surface_distance": true}}


def response(batches: list[dict], names=("first", "second")) -> dict[str, float]:
    engine = Engine(lambda _, one: one)
    FieldResponse(names).attach(engine)
    engine.run(batches)
    return engine.state.field_response


def test_each_class_by_itself():
    assert response([batch([0.5, 0.05])]) == {"first": pytest.approx(0.5), "second": pytest.approx(0.05)}


def test_voxels_of_an_epoch_weigh_alike():
    found = response([batch([0.5, 1.0]), batch([0.3, 1.0])])
    assert found["first"] == pytest.approx(0.4)


def test_only_the_last_epoch_counts():
    engine = Engine(lambda engine, one: batch([0.1 if engine.state.epoch == 1 else 0.9, 1.0]))
    FieldResponse(["first", "second"]).attach(engine)
    engine.run([0], max_epochs=2)
    assert engine.state.field_response["first"] == pytest.approx(0.9)


def test_a_class_that_no_patch_has():
    one = batch([0.5, 0.5])
    one[CommonKeys.LABEL]["label"][one[CommonKeys.LABEL]["label"] == 2] = 0
    assert list(response([one])) == ["first"]


def test_a_joint_field():
    one = batch([0.5, 0.5])
    target = one[CommonKeys.LABEL]
    joint = target["surface_distance"][:, 1:].sum(dim=1, keepdim=True)
    sums = inside_sums(joint * 0.25, joint, target["label"])
    assert (sums[0, 0] / sums[0, 1]).item() == pytest.approx(0.25)
    target["surface_distance"] = joint
    one[CommonKeys.PRED] = (None, joint * 0.25)
    assert response([one]) == {"foreground": pytest.approx(0.25)}
