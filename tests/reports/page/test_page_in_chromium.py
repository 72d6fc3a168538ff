"""The page in a real browser: nothing in its console, and the viewer draws scan and label map."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from custom.reports.drawing import class_colour
from custom.reports.page import write_report

from .page_folders import write_cases, write_study

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--virtual-time-budget=20000"),
)


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium is installed; `make test-page` fails without one")
    return str(found)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("browser")
    cases = write_cases(root / "data", ["p1", "</script><script>console.error('injected')</script>"])
    return write_study(root / "work", cases, {"nnunet": 0.3, "batseg": 0.1}, folds=1)


def screenshot(browser: str, page: Path, folder: Path, width: int, height: int) -> tuple[np.ndarray, list[str]]:
    """The pixels (rows, columns, RGB) that a reader sees of an address, and the lines of the console."""
    picture = folder / "page.png"
    places = [f"--window-size={width},{height}", f"--screenshot={picture}", f"--user-data-dir={folder / 'profile'}"]
    arguments = [browser, *OPTIONS, *places, f"{page.as_uri()}#view-case0"]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=300)
    assert picture.exists(), result.stderr[-2000:]
    return np.asarray(Image.open(picture).convert("RGB")), [
        one for one in result.stderr.splitlines() if "CONSOLE" in one
    ]


def stage_of(pixels: np.ndarray) -> np.ndarray:
    """The part with the viewer, the first that has much black: the page is light."""
    rows = np.flatnonzero((pixels.max(axis=2) == 0).sum(axis=1) > 30)
    assert len(rows), "no viewer is on the page"
    return pixels[rows[0] : rows[0] + 400, 40:-40].astype(int)


@pytest.mark.parametrize("width", [1280, 500], ids=["desktop", "phone"])
@pytest.mark.parametrize("viewer", ["niivue", "slices"])
def test_it_draws_and_says_nothing(browser, study, tmp_path, viewer, width):
    if viewer == "niivue" and find_spec("ipyniivue") is None:
        pytest.skip("the extra report is not installed")
    write_report(study, tmp_path / "report.html", viewer=viewer)
    pixels, console = screenshot(browser, tmp_path / "report.html", tmp_path, width, 3000)
    assert console == []
    stage = stage_of(pixels)
    greys = stage[(np.ptp(stage, axis=2) < 6) & (stage.max(axis=2) > 30) & (stage.max(axis=2) < 225)]
    assert len(np.unique(greys[:, 0])) > 60, "the scan's grey levels"
    tints = [np.array(to_rgb(class_colour(number))) * 255 for number in (1, 2)]
    hues = [(stage @ (tint - tint.mean())) / np.linalg.norm(tint - tint.mean()) > 40 for tint in tints]
    assert max(np.count_nonzero(hue) for hue in hues) > 500, "the label map's colour"
