"""Fixtures shared by all tests."""

import gc
import importlib
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

from custom.fingerprint import data_check

from . import plain_pictures
from .bundle_copies import copy_bundle
from .preloaded_python import LIBRARIES, preloaded_python
from .remembered import remember

PROJECT = Path(__file__).resolve().parents[1]
SLOWEST = ("end_to_end", "workflows", "bundles", "export", "options")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest folders first, or the last file would keep one process busy while the others wait."""
    folders = [Path(item.path).relative_to(PROJECT / "tests").parts[0] for item in items]
    ranks = [SLOWEST.index(folder) if folder in SLOWEST else len(SLOWEST) for folder in folders]
    items[:] = [item for _, item in sorted(zip(ranks, items, strict=True), key=lambda ranked: ranked[0])]


def pytest_configure() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    """What was imported stays; every run looks for garbage at its end, and to look through all of it takes a second."""
    for name in LIBRARIES:  # or the first run would import them
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def one_thread_per_worker():
    """The suite runs on several processes at once; more threads each would only compete."""
    torch.set_num_threads(int(os.environ.get("TEST_THREADS", "1")))


@pytest.fixture(scope="session", autouse=True)
def remembered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        remember(patch)
        yield


@pytest.fixture(autouse=True)
def same_random_numbers_in_every_run() -> None:
    """What a test draws without a seed of its own does not depend on the tests before it."""
    random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def project() -> Path:
    return PROJECT


@pytest.fixture
def copied(project, tmp_path) -> Callable[[str], Path]:
    """Makes a copy of a bundle in a folder of bundles."""
    return lambda name: copy_bundle(project, name, tmp_path / "bundles")


@pytest.fixture
def whole_pictures(monkeypatch) -> None:
    """Pictures as users get them."""
    monkeypatch.setattr(Figure, "savefig", plain_pictures.whole)


@pytest.fixture
def as_nobody(tmp_path_factory) -> Callable[[Path], AbstractContextManager[None]]:
    """Makes a block in which permissions hold also for root, who is nobody there; a folder of the tests is opened."""
    base = tmp_path_factory.getbasetemp()
    ours = next((one for one in base.parents if one.name.startswith("pytest-of-")), base)  # two above with xdist

    @contextmanager
    def block(folder: Path) -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        for above in (folder, *folder.parents):
            if above.is_relative_to(ours):
                above.chmod(above.stat().st_mode | 0o555)
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    if not hasattr(os, "geteuid"):
        pytest.skip("no permissions of this kind")
    return block


@pytest.fixture(scope="session")
def quick_python(tmp_path_factory) -> Iterator[Path]:
    """Folder with a `python` that starts within a tenth of a second, for programs as users call them."""
    with preloaded_python(tmp_path_factory.mktemp("python")) as folder:
        yield folder


@pytest.fixture(scope="module")
def quick_commands(quick_python) -> Iterator[None]:
    """A shell finds the quick python first, then the programs of this environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(quick_python), str(Path(sys.executable).parent), os.environ["PATH"]]))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real scans; skips where absent."""
    folder = real_data_folder()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SEGMENTATION_TEST_DATA to test on them")
    return folder


def real_data_folder() -> Path:
    """Where real scans are looked for: $SEGMENTATION_TEST_DATA, else ../shared/data next to the checkout."""
    return Path(os.environ.get("SEGMENTATION_TEST_DATA", PROJECT.parent / "shared" / "data"))


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The files that are read as volumes, in any order."""
    files = []
    original = data_check.read_volume

    def counting(file):
        files.append(file)
        return original(file)

    monkeypatch.setattr(data_check, "read_volume", counting)
    return files
