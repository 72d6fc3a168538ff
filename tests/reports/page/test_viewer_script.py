"""NiiVue's class is found in the package that ships it."""

import base64
import gzip
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest

from custom.errors import InputError
from custom.reports.page import viewer_script as module


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a module of the given text."""

    def make(text: str) -> Path:
        file = tmp_path / module.SCRIPT
        file.parent.mkdir(parents=True)
        file.write_text(text)
        fake = SimpleNamespace(
            version="9.9", files=[PurePosixPath("other")], metadata={"License": "BSD-2"}, locate_file=lambda _: file
        )
        monkeypatch.setattr(module, "distribution", lambda _: fake)
        return file

    return make


def test_the_class_is_left_where_the_page_finds_it(package):
    package('name:"@niivue/niivue",version:"0.65.0" log("Creating new Niivue instance");let C=f(B);v=new t$2(C)')
    found = module.viewer_script()
    assert gzip.decompress(base64.b64decode(found.gzipped)).decode().endswith("\n;globalThis.Niivue = t$2;\n")
    assert (found.version, found.license) == ("0.65.0", "BSD-2")


def test_an_unknown_module_is_one_line(package):
    file = package("export default {}")
    with pytest.raises(InputError, match=f"{file}: holds no viewer that is known, of ipyniivue 9.9: pip install"):
        module.viewer_script()


def test_a_missing_package_is_one_line(monkeypatch):
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "distribution", missing)
    with pytest.raises(
        InputError, match=r"needs the package ipyniivue: pip install ipyniivue, or pass --viewer slices"
    ):
        module.viewer_script()


def test_the_real_package():
    if find_spec("ipyniivue") is None:
        pytest.skip("the extra report is not installed")
    found = module.viewer_script()
    assert found.version[0].isdigit()
    assert "BSD 2-Clause" in found.license
