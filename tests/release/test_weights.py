"""Weights are released with what they score and where they come from, or not at all."""

import pytest
import torch

from custom.errors import InputError
from custom.release.metadata import read_metadata
from custom.release.weights import parse_weights, weights_contents

from ..bundle_copies import STATED, seeded_training
from .test_network_config import inference_of

FLARE = "flare_pseudolabel"


def test_parse(tmp_path):
    file = tmp_path / "a.pt"
    file.touch()
    bundles = ["one", "two"]
    assert parse_weights("", bundles) == {}
    assert parse_weights(f"one={file},two=none", bundles) == {"one": file, "two": None}
    assert parse_weights(f"one={file}, two=none", bundles) == {"one": file, "two": None}
    assert parse_weights(("two=none", f"one={file}"), bundles) == {"one": file, "two": None}


@pytest.mark.parametrize(
    ("given", "said"),
    [("three=none", "NAME one of one, two"), ("one", "give NAME=FILE"), ("one=away.pt", "there is no file away.pt")],
)
def test_parse_refuses(given, said):
    with pytest.raises(InputError, match=said):
        parse_weights(given, ["one", "two"])


@pytest.mark.parametrize("metrics", [{}, {"mean_dice": 0.9}, {"origin": "FLARE23"}, {"origin": " ", "mean_dice": 0.9}])
def test_weights_without_score_or_origin_are_refused_in_one_line(project, tmp_path, metrics):
    root = project / "bundles" / FLARE
    said = r"metadata\.json: eval_metrics states no .* or pass --weights .*=none"
    with pytest.raises(InputError, match=said) as error:
        weights_contents(tmp_path / "model.pt", root, {"eval_metrics": metrics}, inference_of(root))
    assert "\n" not in str(error.value)


def carried(root, model, **metadata):
    inference = inference_of(root, checkpoint=str(model))
    return weights_contents(model, root, {**read_metadata(root), "eval_metrics": STATED, **metadata}, inference)


def test_weights_are_carried_with_their_plan(copied, tmp_path):
    """Of any network that was trained for the bundle's classes."""
    root = copied(FLARE)
    folder = seeded_training(root, tmp_path / "trained", "phantoms")
    (folder / "model_best.pt").touch()
    files = {f"models/{name}": (folder / name).read_bytes() for name in ("model.pt", "plan.yaml")}
    assert carried(root, folder / "model.pt") == files
    assert weights_contents(None, root, {}, inference_of(root)) == {}


def test_weights_of_another_training_and_what_is_none(copied, tmp_path):
    root = copied(FLARE)
    model = seeded_training(root, tmp_path / "trained", "phantoms") / "model.pt"

    def refused(said):
        with pytest.raises(InputError, match=said) as error:
            carried(root, model)
        assert "\n" not in str(error.value)

    torch.save({"first": torch.zeros(1)}, model)
    refused(r"does not fit the network.*: its plan\.yaml is of another training")
    model.write_bytes(b"no weights")
    refused(r"cannot be read \(it is damaged.*\): restore it, or pass other weights")
    seeded_training(root, model.parent, "hippocampus")
    refused(r"model\.pt is for anterior, posterior, but .*states liver, .*: make a bundle of its own")
    model.with_name("plan.yaml").unlink()
    refused(r"plan\.yaml is missing")
