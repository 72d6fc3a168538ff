"""Overlays and settings as commands are told of them."""

import pytest
from monai.bundle import ConfigParser

from custom.bundle_configs import config_file, known_settings, made_entry, metadata_file, overlay_files
from custom.errors import InputError


@pytest.fixture
def root(tmp_path):
    configs = tmp_path / "bundle" / "configs"
    configs.mkdir(parents=True)
    for name in ("metadata.json", "big.yaml", "small.yaml"):
        (configs / name).touch()
    return tmp_path / "bundle"


def test_overlays_are_names_or_files_in_any_form(root, tmp_path, monkeypatch):
    big, small = (root / "configs" / f"{name}.yaml" for name in ("big", "small"))
    own = tmp_path / "own.yaml"
    own.touch()
    for given in ("big,small", "big.yaml, small", " big , small.yaml,", ["big", "small"], ("big.yaml", "small.yaml")):
        assert overlay_files(root, given) == [big, small], given
    assert overlay_files(root, [str(own), "big"]) == [own, big]
    assert overlay_files(root, "") == overlay_files(root, ()) == []
    monkeypatch.setenv("HOME", str(tmp_path))
    assert overlay_files(root, "~/own.yaml") == [own]


@pytest.mark.parametrize("name", ["biger", "biger.yaml"])
def test_an_overlay_that_is_not_there(root, name):
    with pytest.raises(InputError) as error:
        overlay_files(root, f"big,{name}")
    configs = root / "configs"
    assert str(error.value) == f"--overlays {name}: there is neither a file {name} nor {configs}/biger.yaml"


def test_a_folder_that_is_no_bundle(root, tmp_path):
    assert metadata_file(root) == root / "configs" / "metadata.json"
    with pytest.raises(InputError, match=r"no configs/metadata\.json: pass the folder of a bundle"):
        metadata_file(tmp_path)
    with pytest.raises(InputError, match=r"no configs/train\.yaml"):
        config_file(root, "train.yaml")


def test_settings_are_ids_of_one_of_the_configs():
    train, inference = {"epochs": 3, "train": {"trainer": {}}}, {"filters": [1]}
    given = {"epochs": 5, "filters": [2], "train#trainer#x": 1, "train::trainer": 2}
    assert known_settings(given, train, inference) == given
    assert known_settings(None, train) == {}
    with pytest.raises(InputError, match="--settings: the configs have no 'speed'; correct its name"):
        known_settings({"epochs": 5, "speed": 1}, train, inference)
    with pytest.raises(InputError, match=r"--settings 'filters': pass a mapping, such as"):
        known_settings("filters", train)


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
