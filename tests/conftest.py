"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
import torch

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def one_thread_per_worker():
    """The suite runs on several processes at once; more threads each would only compete."""
    torch.set_num_threads(int(os.environ.get("TEST_THREADS", "1")))


@pytest.fixture(scope="session")
def project() -> Path:
    return PROJECT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real scans: $SEGMENTATION_TEST_DATA, else ../shared/data beside the checkout; skips where absent."""
    folder = Path(os.environ.get("SEGMENTATION_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SEGMENTATION_TEST_DATA to test on them")
    return folder
