"""The network alone, as monai.bundle.load reads it."""

import json

import pytest
from monai.bundle import ConfigParser

from custom.release.network_config import network_config


@pytest.mark.parametrize("name", ["batseg_spine", "flare_pseudolabel"])
def test_it_is_the_network_of_inference(project, name):
    root = project / "bundles" / name
    config = json.loads(network_config(root, "custom"))
    assert "@" not in json.dumps(config) and "$" not in json.dumps(config)
    alone, whole = ConfigParser(config), ConfigParser()
    whole.read_config(str(root / "configs" / "inference.yaml"))
    shapes = [
        {key: value.shape for key, value in parser.get_parsed_content("network_def").state_dict().items()}
        for parser in (alone, whole)
    ]
    assert shapes[0] == shapes[1]


def test_its_code_is_the_carried_package(project):
    config = json.loads(network_config(project / "bundles" / "batseg_spine", "spine_1"))
    assert config["network_def"]["_target_"] == "spine_1.networks.DistanceDynUNet"
