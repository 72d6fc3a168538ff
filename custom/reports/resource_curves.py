"""What a command used, in words and as curves over its running time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .drawing import class_colour, new_figure, save_picture

_PANEL = (9.0, 2.2)  # inches: width, height
_WORDS = {"seconds_per_case": ("s per case", "time"), "gpu_maximum_mb": ("MB", "GPU memory")}


def describe_resource_use(use: Mapping[str, Any], tolerances: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lines of text from `metrics.resource_use` and its `flare_tolerances_kept`."""
    cases, gpu, cpu = use["cases"], use["gpu"], use["cpu"]
    each = " per case" if cases > 1 else ""
    lines = [
        f"time: {use['seconds']:.1f} s" + (f" for {cases} cases, {use['seconds_per_case']:.1f} s each" if each else ""),
        f"CPU: {cpu['mean_percent']:.0f} % of all cores, area {cpu['area_percent_s_per_case']:.0f} % s{each}",
        f"memory: at most {use['memory']['maximum_mb']:.0f} MB",
    ]
    if gpu is None:
        lines.append("GPU memory: not measured, nvidia-smi gives no readings here")
    else:
        area = f"area {gpu['area_mb_s_per_case']:.0f} MB s{each}"
        lines.append(f"GPU memory: at most {gpu['maximum_mb']:.0f} MB, {area}")
    for name, check in tolerances.items():
        unit, what = _WORDS[name]
        verdict = {True: "kept", False: "exceeded", None: "not measured"}[check["kept"]]
        lines.append(f"FLARE23 tolerance of {what}, {check['tolerance']:g} {unit}: {verdict}")
    return lines


def draw_resource_curves(
    picture_file: str | Path,
    times: np.ndarray,
    cpu_percent: np.ndarray,
    memory_mb: np.ndarray,
    gpu_mb: np.ndarray | None = None,
    gpu_numbers: Sequence[int] = (),
    gpu_tolerance_mb: float | None = None,
    title: str = "",
) -> None:
    """Write a PNG of GPU memory (where measured), CPU utilisation and memory over the seconds since the start.

    Samples as those of `metrics.resource_use`; a tolerance is drawn as a line where the GPU memory comes near it.
    """
    panels = [("CPU, all cores [%]", cpu_percent), ("memory [MB]", memory_mb)]
    if gpu_mb is not None:
        panels.insert(0, ("GPU memory [MB]", gpu_mb.sum(axis=1)))
    figure = new_figure(_PANEL[0], len(panels) * _PANEL[1] + 0.5)
    axes = figure.subplots(len(panels), sharex=True)
    for place, (name, values) in zip(axes, panels, strict=True):
        _draw_curve(place, times, values, name)
    if gpu_mb is not None:
        if len(gpu_numbers) > 1:
            for number, (gpu, curve) in enumerate(zip(gpu_numbers, gpu_mb.T, strict=True), start=1):
                axes[0].step(times, curve, where="pre", linewidth=0.9, color=class_colour(number), label=f"GPU {gpu}")
            axes[0].legend(fontsize=8, frameon=False, ncols=len(gpu_numbers) + 1, loc="lower right")
        if gpu_tolerance_mb is not None and panels[0][1].max() > gpu_tolerance_mb / 2:
            axes[0].axhline(gpu_tolerance_mb, color="0.4", linewidth=1, linestyle="--")
            axes[0].text(0, gpu_tolerance_mb, " FLARE23's tolerance", va="bottom", fontsize=8, color="0.4")
            axes[0].set_ylim(top=1.2 * max(gpu_tolerance_mb, panels[0][1].max()))
    axes[-1].set_xlabel("seconds since the start")
    axes[-1].set_xlim(0, max(float(times[-1]), 1e-3))
    if title:
        figure.suptitle(title, fontsize=11)
    save_picture(figure, picture_file)


def _draw_curve(axes: Axes, times: np.ndarray, values: np.ndarray, name: str) -> None:
    """A curve over the area under it; each value holds for the time since the one before."""
    since_start, steps = np.insert(times, 0, 0), np.insert(values, 0, values[0])
    axes.fill_between(since_start, steps, step="pre", color=class_colour(7), alpha=0.25, linewidth=0)
    axes.step(since_start, steps, where="pre", color=class_colour(7), linewidth=1.2, label="sum")
    axes.set_ylabel(name, fontsize=9)
    axes.set_ylim(0, 1.08 * max(float(values.max()), 1e-3))
    axes.spines[["top", "right"]].set_visible(False)
