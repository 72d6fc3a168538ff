"""Once imported, pictures have no layout and few dots, which would take most of the time of a run of a few steps.

tests/reports draws them whole, and so do the releases of tests/end_to_end/test_downloaded_releases.py.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

DOTS_PER_INCH = 40
whole = Figure.savefig


def plain(figure: Figure, *args: Any, **kwargs: Any) -> None:
    """In place of `Figure.savefig`."""
    figure.set_layout_engine("none")
    whole(figure, *args, **{**kwargs, "dpi": DOTS_PER_INCH})


Figure.savefig = plain  # type: ignore[method-assign]
