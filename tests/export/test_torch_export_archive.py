"""Archives of torch.export that would run code when they are loaded."""

import io
import json
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from custom.errors import InputError
from custom.export import load_exported
from custom.export.torch_export_archive import refuse_pickled_objects


class Written:
    """Unpickled, it writes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.write_text, (self.file, "code was run")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.InstanceNorm3d(2, track_running_stats=True)).eval()
    file = tmp_path_factory.mktemp("sound") / "model.pt2"
    program = torch.export.export(network, (torch.zeros(2, 1, 4, 4, 4),))
    torch.export.save(program, file, extra_files={"my_config.json": "{}", "model.pt": "text"})
    return file


def changed(source: Path, target: Path, ending: str, content) -> Path:
    """A copy of an archive in which the part with this ending has another content, made of its own."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, content(old.read(name)) if name.endswith(ending) else old.read(name))
    return target


def pickled(thing) -> bytes:
    content = io.BytesIO()
    torch.save(thing, content)
    return content.getvalue()


def listed_as_pickled(content: bytes) -> bytes:
    payloads = json.loads(content)
    for payload in payloads["config"].values():
        payload["use_pickle"] = True
    return json.dumps(payloads).encode()


def renamed_object(content: bytes) -> bytes:
    payloads = json.loads(content)
    payloads["config"]["object"] = {"path_name": "custom_obj_0", "use_pickle": False}
    return json.dumps(payloads).encode()


def test_tensors_are_loaded(sound):
    refuse_pickled_objects(sound)
    assert load_exported(sound)(torch.zeros(2, 1, 4, 4, 4)).shape == (2, 2, 2, 2, 2)


def test_code_in_the_example_inputs_is_not_run(sound, tmp_path):
    written = tmp_path / "written"
    file = changed(sound, tmp_path / "model.pt2", "sample_inputs/model.pt", lambda _: pickled((Written(written),)))
    with pytest.raises(InputError) as caught:
        load_exported(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "sample_inputs/model.pt holds more than tensors; it is not loaded" in str(caught.value)
    assert not written.exists()
    with suppress(Exception):  # PyTorch finds fault with it after it has run it
        torch.export.load(file)
    assert written.exists()


def test_code_in_the_weights_is_not_run(sound, tmp_path):
    written = tmp_path / "written"
    listed = changed(sound, tmp_path / "listed.pt2", "weights_config.json", listed_as_pickled)
    file = changed(listed, tmp_path / "model.pt2", "weight_0", lambda _: pickled(Written(written)))
    with pytest.raises(InputError, match=r"weights_config\.json holds more than tensors"):
        load_exported(file)
    assert not written.exists()


def test_code_in_the_constants_is_not_run(sound, tmp_path):
    file = changed(sound, tmp_path / "model.pt2", "constants_config.json", renamed_object)
    with pytest.raises(InputError, match=r"constants_config\.json holds more than tensors"):
        load_exported(file)


def test_a_plain_pickle_in_place_of_an_archive_of_tensors_is_not_run(sound, tmp_path):
    written = tmp_path / "written"
    content = pickle.dumps(Written(written))
    file = changed(sound, tmp_path / "model.pt2", "sample_inputs/model.pt", lambda _: content)
    with pytest.raises(InputError, match=r"sample_inputs/model\.pt holds more than tensors"):
        load_exported(file)
    assert not written.exists()
