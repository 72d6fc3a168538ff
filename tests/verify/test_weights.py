"""What lies in models/: weights, TorchScript, large files."""

import hashlib

import pytest
import torch
import yaml

from custom.errors import InputError
from custom.verify.bundle_folder import BundleFolder
from custom.verify.network import network
from custom.verify.weights import check_weights

from ..bundle_copies import fresh_weights


@pytest.fixture
def root(copied):
    return copied("flare_pseudolabel")


def weights_in(root, seed=0):
    return fresh_weights([root / "configs" / "inference.yaml"], root / "models" / "model.pt", seed)


def list_apart(root, **changes):
    """A large_files.yml with the check sum of models/model.pt."""
    checksum = hashlib.sha256((root / "models" / "model.pt").read_bytes()).hexdigest()
    entry = {"path": "models/model.pt", "url": "https://host/m.pt", "hash_val": checksum, "hash_type": "sha256"}
    (root / "large_files.yml").write_text(yaml.safe_dump({"large_files": [entry | changes]}))


def export(root, tmp_path):
    """The TorchScript file of the weights in the bundle, or of fresh ones."""
    bundle = BundleFolder(root, tmp_path)
    own = network(bundle)
    if (root / "models" / "model.pt").exists():
        own.load_state_dict(torch.load(root / "models" / "model.pt", weights_only=True))
    torch.jit.script(own).save(root / "models" / "model.ts")


def test_weights_that_are_not_there_are_noted(root, tmp_path):
    remark = check_weights(BundleFolder(root, tmp_path))
    assert remark == (
        "no models/model.pt, which the model zoo asks for; the checks of the network take weights of a seed"
    )


def test_listed_weights_are_noted_with_the_command_until_they_are_downloaded(root, tmp_path):
    model = weights_in(root)
    list_apart(root)
    away = model.rename(tmp_path / "away.pt")
    bundle = BundleFolder(root, tmp_path)
    remark = check_weights(bundle)
    assert remark.startswith("models/model.pt of large_files.yml not here: python -m monai.bundle download_large_files")
    assert str(root) in remark and "weights of a seed" in remark
    away.rename(model)
    assert "not here" not in check_weights(bundle)
    weights_in(root, seed=1)
    with pytest.raises(InputError, match=r"models/model\.pt has another sha256 than large_files\.yml lists: remove it"):
        check_weights(bundle)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"path": "../../model.pt"}, r"\.\./\.\./model\.pt is outside the bundle"),
        ({"hash_val": ""}, "no hash_val with a hash_type of md5"),
        ({"hash_type": "crc"}, "no hash_val with a hash_type of md5"),
    ],
)
def test_lists_that_download_nothing_or_anything(root, tmp_path, changes, said):
    weights_in(root)
    list_apart(root, **changes)
    with pytest.raises(InputError, match=said):
        check_weights(BundleFolder(root, tmp_path))


def test_weights_that_fit_need_no_remark(root, tmp_path):
    weights_in(root)
    assert check_weights(BundleFolder(root, tmp_path)) == ""


def test_weights_of_another_network(root, tmp_path):
    torch.save({"first": torch.zeros(1)}, root / "models" / "model.pt")
    with pytest.raises(InputError, match=r"models/model\.pt does not fit the network"):
        check_weights(BundleFolder(root, tmp_path))


def test_torchscript_must_answer_as_the_weights(root, tmp_path):
    weights_in(root)
    export(root, tmp_path)
    bundle = BundleFolder(root, tmp_path)
    check_weights(bundle)
    weights_in(root, seed=1)
    with pytest.raises(
        InputError, match=r"models/model\.ts differs from the network by .*; export it again from these"
    ):
        check_weights(bundle)


def test_torchscript_without_weights_has_the_networks_shape(root, tmp_path):
    export(root, tmp_path)
    bundle = BundleFolder(root, tmp_path)
    assert "models/model.ts answers, but there are no weights to compare it with" in check_weights(bundle)
    torch.jit.script(torch.nn.Identity()).save(root / "models" / "model.ts")
    with pytest.raises(InputError, match=r"models/model\.ts answers with shape \(1, 1, .*\), not \(1, 15, "):
        check_weights(bundle)
    (root / "models" / "model.ts").write_text("no network")
    with pytest.raises(InputError, match=r"models/model\.ts does not load and run: .*; export it again") as error:
        check_weights(bundle)
    assert "\n" not in str(error.value)
