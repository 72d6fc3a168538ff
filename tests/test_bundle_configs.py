"""Configs as commands read them."""

import pytest
from monai.bundle import ConfigParser

from custom.bundle_configs import config_file, made_entry
from custom.errors import InputError


def test_a_folder_that_is_no_bundle(tmp_path):
    file = tmp_path / "bundle" / "configs" / "metadata.json"
    file.parent.mkdir(parents=True)
    file.touch()
    assert config_file(tmp_path / "bundle", "metadata.json") == file
    with pytest.raises(InputError, match=r"configs/metadata\.json: no such config; correct its name, or pass"):
        config_file(tmp_path, "metadata.json")
    with pytest.raises(InputError, match=r"configs/train\.yaml: no such config"):
        config_file(tmp_path / "bundle", "train.yaml")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"_target_": "nowhere_at_all.Network"}, "Cannot locate class or function path"),
        ("$len(3)", "has no len"),
        ({"_target_": "torch.nn.Linear", "in_feature": 3}, "unexpected keyword argument 'in_feature'"),
    ],
)
def test_an_entry_that_cannot_be_made_is_one_line(tmp_path, entry, reason):
    with pytest.raises(InputError, match=rf"network_def of the inference config cannot be made \(.*{reason}") as error:
        made_entry(ConfigParser({"network_def": entry}), "network_def", tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: ")
    assert "\n" not in str(error.value)
