"""Weights are released with what they score and where they come from, or not at all."""

import pytest
import torch

from custom.errors import InputError
from custom.plans import PLAN_FILE
from custom.release.weights import parse_weights, weights_contents

from ..bundle_copies import STATED, fresh_weights
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


def test_weights_are_released_with_their_plan(copied, tmp_path):
    root = copied(FLARE)
    file = fresh_weights(root, tmp_path / "trained" / "model.pt")
    file.with_name("model_best.pt").touch()
    found = weights_contents(file, root, {"eval_metrics": STATED}, inference_of(root, file))
    plan = file.with_name(PLAN_FILE)
    assert found == {"models/model.pt": file.read_bytes(), "models/plan.yaml": plan.read_bytes()}
    assert weights_contents(None, root, {}, inference_of(root)) == {}
    plan.unlink()
    with pytest.raises(InputError, match=r"plan\.yaml is missing: it says what .*model\.pt was trained for"):
        weights_contents(file, root, {"eval_metrics": STATED}, inference_of(root))


def test_weights_of_another_network_and_what_is_none(project, tmp_path):
    root = project / "bundles" / FLARE
    file = fresh_weights(root, tmp_path / "model.pt")
    torch.save({"first": torch.zeros(1)}, file)
    for said in ("does not fit the network", "cannot be read as weights"):
        with pytest.raises(InputError, match=rf"{said}.*: its plan\.yaml is of another training"):
            weights_contents(file, root, {"eval_metrics": STATED}, inference_of(root, file))
        file.write_bytes(b"no weights")
