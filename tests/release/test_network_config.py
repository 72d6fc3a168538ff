"""The network alone, as monai.bundle.load reads it."""

import json

import pytest
from monai.bundle import ConfigParser

from custom.errors import InputError
from custom.release.network_config import network_config


def inference_of(root, **options) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.yaml"))
    parser.update({"bundle_root": str(root), **options})
    return parser


@pytest.mark.parametrize("name", ["batseg_spine", "flare_pseudolabel"])
def test_it_is_the_network_of_inference(project, name):
    root = project / "bundles" / name
    config = json.loads(network_config(inference_of(root), root, "custom"))
    assert "@" not in json.dumps(config) and "$" not in json.dumps(config)
    alone, whole = ConfigParser(config), inference_of(root)
    shapes = [
        {key: value.shape for key, value in parser.get_parsed_content("network_def").state_dict().items()}
        for parser in (alone, whole)
    ]
    assert shapes[0] == shapes[1]


def test_its_code_is_the_carried_package(project):
    root = project / "bundles" / "batseg_spine"
    config = json.loads(network_config(inference_of(root), root, "spine_1"))
    assert config["network_def"]["_target_"] == "spine_1.networks.build_network"


def test_a_network_that_cannot_be_resolved(project):
    root = project / "bundles" / "batseg_spine"
    inference = inference_of(root)
    inference["class_names"] = 3
    with pytest.raises(
        InputError, match=r"batseg_spine: network_def#out_channels of the inference config cannot be made"
    ):
        network_config(inference, root, "spine_1")
