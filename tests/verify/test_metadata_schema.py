"""The rules of MONAI's metadata schema."""

import copy
import json
import os
from pathlib import Path

import jsonschema
import pytest
from monai.bundle import verify_metadata

from custom.verify.metadata_schema import metadata_schema

FORMATS = "network_data_format"


@pytest.fixture
def metadata(project) -> dict:
    return json.loads((project / "bundles" / "batseg_spine" / "configs" / "metadata.json").read_text())


def faults() -> list[tuple[str, object]]:
    """Path in the metadata -> a value that MONAI's schema refuses; None: the entry is left out."""
    required = ("schema", "version", "monai_version", "required_packages_version", "authors", FORMATS)
    return [
        *((name, None) for name in required),
        ("version", 1),
        ("changelog", []),
        ("references", [1]),
        ("eval_metrics", "0.9"),
        (f"{FORMATS}/outputs", None),
        (f"{FORMATS}/inputs/image/num_channels", "1"),
        (f"{FORMATS}/inputs/image/spatial_shape", [1.5]),
        (f"{FORMATS}/inputs/image/value_range", None),
        (f"{FORMATS}/inputs/image/channel_def", []),
        ("other_data_format", {"inputs": {}}),
    ]


def changed(metadata: dict, path: str, value: object) -> dict:
    result = copy.deepcopy(metadata)
    *folders, name = path.split("/")
    place = result
    for folder in folders:
        place = place[folder]
    if value is None:
        del place[name]
    else:
        place[name] = value
    return result


def accepts(schema: dict, metadata: dict) -> bool:
    return jsonschema.Draft201909Validator(schema).is_valid(metadata)


@pytest.mark.parametrize(("path", "value"), faults())
def test_faults_are_refused(metadata, path, value):
    assert accepts(metadata_schema(), metadata)
    assert not accepts(metadata_schema(), changed(metadata, path, value))


def test_it_judges_as_monais_own_file(project, metadata):
    file = Path(os.environ.get("MONAI_META_SCHEMA", project.parent / "shared" / "reference" / "metadata_schema.json"))
    if not file.is_file():
        pytest.skip(f"no metadata schema at {file}; set MONAI_META_SCHEMA to the one of 2024-07-25")
    original = json.loads(file.read_text())
    assert accepts(original, metadata)
    assert not any(accepts(original, changed(metadata, path, value)) for path, value in faults())
    own = metadata_schema()
    assert own["required"] == original["required"]
    assert own["properties"].keys() == original["properties"].keys()
    assert own["patternProperties"].keys() == original["patternProperties"].keys()


def test_monais_command_takes_it(project, tmp_path):
    (tmp_path / "schema.json").write_text(json.dumps(metadata_schema()))
    for name in ("batseg_spine", "flare_pseudolabel"):
        meta_file = project / "bundles" / name / "configs" / "metadata.json"
        verify_metadata(meta_file=str(meta_file), filepath=str(tmp_path / "schema.json"))
