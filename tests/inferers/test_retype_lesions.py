"""Lesions get the type that fits, or stay as they are where none does."""

from types import SimpleNamespace

import pytest
import torch
from monai.data import MetaTensor

from custom.errors import InputError
from custom.inferers import RetypeLesionsd, require_types
from custom.inferers.retype_lesions import UNCERTAIN, retyped
from custom.inferers.type_distributions import fit_distribution, write_distributions

from .test_type_distributions import CLASSES, scan


@pytest.fixture
def typing_file(tmp_path) -> str:
    means = {"a": [3, 0, 0], "b": [0, 3, 0], "c": [0, 0, 3]}
    types = {name: fit_distribution([scan(mean)[0]]) for name, mean in means.items()}
    write_distributions(tmp_path / "typing.json", CLASSES, types)
    return str(tmp_path / "typing.json")


def output(typing_file, mean, types=None, certainty=0.5):
    """A scan whose voxels were given class 1 and 3, but whose logits lie about `mean`."""
    volume = MetaTensor(torch.zeros(2, 4, 4, 4, dtype=torch.uint8), affine=torch.diag(torch.tensor([2.0, 1, 1, 1])))
    volume[0, 1], volume[0, 2], volume[1] = 1, 3, 200
    sums = {} if mean is None else {1: scan(mean, seed=5)[0]}
    inferer = SimpleNamespace(report={"logit_moments": sums})
    retype = RetypeLesionsd("pred", inferer, CLASSES, types, "logits", typing_file, certainty)
    return volume, retype({"pred": volume})


def test_the_whole_lesion_takes_the_type_that_fits(typing_file):
    volume, found = output(typing_file, [0, 2.5, 0])
    assert found["type"] == "b"
    assert found["type_probabilities"]["b"] > 0.9
    assert set(found["pred"][0].unique().tolist()) == {0, 2}
    assert torch.equal(found["pred"][0] > 0, volume[0] > 0), "the mask is the same"
    assert torch.equal(found["pred"][1], volume[1]), "other channels are left alone"
    assert torch.equal(found["pred"].affine, volume.affine)
    assert set(volume[0].unique().tolist()) == {0, 1, 3}, "the input is left alone"


def test_an_uncertain_scan_stays_as_it_is(typing_file):
    volume, found = output(typing_file, [1.5, 1.5, 0], certainty=0.9)
    assert found["type"] == UNCERTAIN
    assert torch.equal(found["pred"], volume)


def test_a_scan_without_lesion_has_no_type(typing_file):
    volume, found = output(typing_file, None)
    assert found["type"] is None
    assert found["type_probabilities"] == {}
    assert torch.equal(found["pred"], volume)


def test_classes_that_are_no_types_stay(typing_file):
    _, found = output(typing_file, [0, 2.5, 0], types=["a", "b"])
    assert found["type"] == "b"
    assert set(found["pred"][0].unique().tolist()) == {0, 2, 3}


@pytest.mark.parametrize(
    ("counts", "certainty", "kept"),
    [
        ((30, 10, 24), 0.4, {0, 1}),
        ((30, 10, 24), 0.5, {0, 1, 2, 3}),  # 30 of 64 are less than half
        ((0, 0, 5), 0.5, {0, 3}),
        ((0, 0, 0), 0.5, {0}),
    ],
)
def test_a_lesion_gets_the_type_of_most_voxels(counts, certainty, kept):
    volume = torch.zeros(1, 5, 5, 5, dtype=torch.uint8)
    volume.view(-1)[: sum(counts)] = torch.repeat_interleave(torch.tensor([1, 2, 3]), torch.tensor(counts)).byte()
    retype = RetypeLesionsd("pred", None, CLASSES, None, "majority", certainty=certainty)
    found = retype({"pred": volume})
    assert set(found["pred"].unique().tolist()) == kept
    shares = found["type_probabilities"]
    assert sum(shares.values()) == pytest.approx(1 if sum(counts) else 0)
    if len(kept) == 2:
        assert shares[found["type"]] == 1
        assert CLASSES.index(found["type"]) + 1 in kept
    else:
        assert found["type"] == (UNCERTAIN if sum(counts) else None)


def test_each_lesion_gets_its_own_type():
    """Two lesions, of 8 and 12 voxels, each with a few of the other's type; those that touch by a corner are one."""
    volume = torch.zeros(2, 6, 6, 12, dtype=torch.uint8)
    volume[0, :2, :2, :2], volume[0, 0, 0, 0] = 1, 3
    volume[0, 2, 2, 2] = 2  # touches the first by a corner
    volume[0, :3, :2, 6:8], volume[0, 1, 1, 6] = 3, 1
    volume[1] = 7
    retype = RetypeLesionsd("pred", None, CLASSES, None, "majority")
    found = retype({"pred": volume})
    expected = volume.clone()
    expected[0, :3, :3, :3][volume[0, :3, :3, :3] > 0] = 1
    expected[0, :3, :2, 6:8] = 3
    assert torch.equal(found["pred"], expected)
    assert found["type"] == "c", "of 12 of 21 voxels"
    assert found["type_probabilities"] == {"a": pytest.approx(9 / 21), "b": 0, "c": pytest.approx(12 / 21)}
    assert volume[0, 2, 2, 2] == 2, "the input is left alone"


def test_what_is_no_type_parts_lesions_and_stays():
    """An organ of class b between two lesions."""
    volume = torch.tensor([1, 1, 3, 2, 3, 3, 1], dtype=torch.uint8).reshape(1, 1, 1, 7)
    found = RetypeLesionsd("pred", None, CLASSES, ["a", "c"], "majority")({"pred": volume})
    assert found["pred"].flatten().tolist() == [1, 1, 1, 2, 3, 3, 3]


def test_only_the_chosen_ids_change():
    volume = torch.tensor([[0, 1, 2, 3, 4]], dtype=torch.uint8)
    assert retyped(volume, [1, 4], 4).tolist() == [[0, 4, 2, 3, 4]]


def test_refused_before_any_scan_is_read(typing_file):
    require_types("none", "nowhere.json", CLASSES, [])
    require_types("majority", "nowhere.json", CLASSES, None)
    require_types("logits", typing_file, CLASSES, None)
    for rule in ("majority", "logits"):
        with pytest.raises(InputError, match="needs two or more classes that are types of lesions, and the plan has 0"):
            require_types(rule, typing_file, CLASSES, [])
    with pytest.raises(InputError, match=r"nowhere.json: no distributions of types to read"):
        require_types("logits", "nowhere.json", CLASSES, None)
