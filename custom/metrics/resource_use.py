"""FLARE's measures of efficiency: time, maximum and area of GPU memory, area of CPU utilisation."""

from typing import Any

import numpy as np

# FLARE23 tolerates this much of a case without loss of rank
FLARE_SECONDS = 15.0
FLARE_GPU_MB = 4096.0


def area_under(values: np.ndarray, times: np.ndarray) -> float:
    """Integral over time of values (N,) taken at `times` (N,) in seconds since the start.

    A value holds for the time since the one before it; with one every 0.1 s this is FLARE's 0.1 * sum.
    """
    return float(np.sum(values * np.diff(times, prepend=0.0)))


def resource_use(
    times: np.ndarray,
    cpu_percent: np.ndarray,
    memory_mb: np.ndarray,
    gpu_mb: np.ndarray | None = None,
    cases: int = 1,
) -> dict[str, Any]:
    """What a command used, from samples taken while it ran, the last one at its end.

    Args:
        times: (N,) seconds since the start, rising.
        cpu_percent: (N,) utilisation over all cores since the sample before, 0..100.
        memory_mb: (N,) resident memory of the command's processes; MB are 2^20 bytes, as nvidia-smi counts.
        gpu_mb: (N, GPUs) memory in use on each; None where it was not measured, then "gpu" is None.
        cases: how many cases the command worked on; time and areas are given per case too.
    """
    seconds, cpu_area = times[-1], area_under(cpu_percent, times)
    use: dict[str, Any] = {
        **{"seconds": _rounded(seconds), "seconds_per_case": _rounded(seconds / cases)},
        **{"cases": cases, "samples": len(times), "gpu": None},
        "cpu": {
            "maximum_percent": _rounded(cpu_percent.max()),
            "mean_percent": _rounded(cpu_area / seconds if seconds > 0 else 0.0),
            "area_percent_s": _rounded(cpu_area),
            "area_percent_s_per_case": _rounded(cpu_area / cases),
        },
        "memory": {"maximum_mb": _rounded(memory_mb.max())},
    }
    if gpu_mb is not None:
        total = gpu_mb.sum(axis=1)
        area = area_under(total, times)
        use["gpu"] = {
            "maximum_mb": _rounded(total.max()),
            **{"area_mb_s": _rounded(area), "area_mb_s_per_case": _rounded(area / cases)},
            "maximum_mb_of_each": [_rounded(value) for value in gpu_mb.max(axis=0)],
        }
    return use


def flare_tolerances_kept(use: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """FLARE23's tolerances and what `resource_use` found: whether each was kept, None where it is not known."""
    found = {
        "seconds_per_case": (use["seconds_per_case"], FLARE_SECONDS),
        "gpu_maximum_mb": (use["gpu"]["maximum_mb"] if use["gpu"] else None, FLARE_GPU_MB),
    }
    return {
        name: {"value": value, "tolerance": tolerance, "kept": None if value is None else value <= tolerance}
        for name, (value, tolerance) in found.items()
    }


def _rounded(value: float) -> float:
    """Finer than any of the measurements."""
    return round(float(value), 3)
