"""Loaders of scans start their processes in a way that MONAI can undo transforms after."""

import multiprocessing

import pytest
from monai.data import DataLoader

from custom.engines import loading_context


@pytest.fixture
def default_way():
    """Sets Python's way of starting processes; puts it back."""
    before = multiprocessing.get_start_method(allow_none=True)
    yield lambda way: multiprocessing.set_start_method(way, force=True)
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.parametrize(("way", "context"), [("fork", None), ("spawn", None), ("forkserver", "fork")])
def test_no_fork_server(default_way, way, context):
    if way not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {way}")
    default_way(way)
    assert loading_context(2) == context
    assert loading_context(0) is None
    assert multiprocessing.get_start_method() == way


def test_it_does_not_fix_the_way_for_the_program(default_way):
    default_way(None)
    loading_context(1)
    assert multiprocessing.get_start_method(allow_none=True) is None


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_loader_takes_it(num_workers):
    context = loading_context(num_workers)
    assert DataLoader([1, 2], num_workers=num_workers, multiprocessing_context=context).num_workers == num_workers
