import matplotlib.image
import numpy as np
import pytest

from custom.metrics.resource_use import flare_tolerances_kept, resource_use
from custom.reports.resource_curves import describe_resource_use, draw_resource_curves

TIMES = np.linspace(0.1, 30, 300)
CPU = np.full(300, 20.0)
MEMORY = np.full(300, 1500.0)
GPU = np.full((300, 2), 2500.0)


def lines(gpu_mb, cases):
    use = resource_use(TIMES, CPU, MEMORY, gpu_mb, cases)
    return describe_resource_use(use, flare_tolerances_kept(use))


def test_one_case_without_gpu_in_words():
    assert lines(None, 1) == [
        "time: 30.0 s",
        "CPU: 20 % of all cores, area 600 % s",
        "memory: at most 1500 MB",
        "GPU memory: not measured, nvidia-smi gives no readings here",
        "FLARE23 tolerance of time, 15 s per case: exceeded",
        "FLARE23 tolerance of GPU memory, 4096 MB: not measured",
    ]


def test_several_cases_are_described_per_case():
    assert lines(GPU[:, :1], 3) == [
        "time: 30.0 s for 3 cases, 10.0 s each",
        "CPU: 20 % of all cores, area 200 % s per case",
        "memory: at most 1500 MB",
        "GPU memory: at most 2500 MB, area 25000 MB s per case",
        "FLARE23 tolerance of time, 15 s per case: kept",
        "FLARE23 tolerance of GPU memory, 4096 MB: kept",
    ]


@pytest.mark.parametrize("samples", [1, 300])
@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_a_picture_has_a_panel_for_what_was_measured(tmp_path, gpus, samples):
    picture = tmp_path / "usage.png"
    gpu_mb = GPU[:samples, :gpus] if gpus else None
    title = "python -m monai.bundle run --imports '$import os' --sum '$1 + 1'"  # no formula
    draw_resource_curves(picture, TIMES[:samples], CPU[:samples], MEMORY[:samples], gpu_mb, range(gpus), 4096, title)
    height = matplotlib.image.imread(picture).shape[0]
    assert (height > 850) == (gpus > 0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["usage.png"]


def test_the_tolerance_is_drawn_where_the_curve_comes_near(tmp_path):
    pictures = []
    for tolerance in (None, 1e6, 4096):
        draw_resource_curves(tmp_path / "usage.png", TIMES, CPU, MEMORY, GPU, (0, 1), tolerance)
        pictures.append(matplotlib.image.imread(tmp_path / "usage.png"))
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])
