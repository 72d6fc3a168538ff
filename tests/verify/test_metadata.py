"""Metadata that do not fit."""

import json
import sys

import pytest

from custom.errors import InputError
from custom.verify.bundle_folder import BundleFolder
from custom.verify.metadata import check_agreement, check_schema, check_version

from ..bundle_copies import change_metadata


@pytest.fixture
def root(copied):
    return copied("flare_pseudolabel")


def test_schema(root, tmp_path):
    change_metadata(root, references="none")
    with pytest.raises(InputError, match=r"metadata\.json, references: 'none' is not of type 'array'"):
        check_schema(BundleFolder(root, tmp_path))


def test_schema_without_its_package(root, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(InputError, match="needs the package jsonschema: pip install jsonschema"):
        check_schema(BundleFolder(root, tmp_path))


def test_version(root, tmp_path):
    change_metadata(root, version="0.9.9")
    with pytest.raises(InputError, match=r"the changelog has no entry 0\.9\.9"):
        check_version(BundleFolder(root, tmp_path))


@pytest.mark.parametrize(
    ("where", "entry", "value"),
    [
        ("inputs/image", "spatial_shape", [8, 8, 8]),
        ("inputs/image", "num_channels", 4),
        ("outputs/pred", "num_channels", 3),
        ("outputs/pred", "channel_def", {"0": "background"}),
    ],
)
def test_metadata_that_contradict_the_configs(root, tmp_path, where, entry, value):
    formats = json.loads((root / "configs" / "metadata.json").read_text())["network_data_format"]
    side, name = where.split("/")
    formats[side][name][entry] = value
    change_metadata(root, network_data_format=formats)
    with pytest.raises(InputError, match=rf"network_data_format/{where}/{entry} is .* inference\.yaml has"):
        check_agreement(BundleFolder(root, tmp_path))
