"""Pictures of hand-written stage records."""

from __future__ import annotations

import matplotlib.image
import pytest
from matplotlib.figure import Figure

from custom.reports.pipeline_picture import ANNOTATED, CONTROL_COLOURS, FILLED, FILLED_BEFORE, draw_pipeline

from .pictures import count_colour
from .stage_chain import CONTROLS, fill, records


def read_picture(tmp_path, *args, **kwargs):
    draw_pipeline(tmp_path / "p.png", *args, **kwargs)
    return matplotlib.image.imread(tmp_path / "p.png")


def test_the_picture_grows_with_stages_and_groups_of_scores(tmp_path):
    three, four = (read_picture(tmp_path, records()[:n]).shape for n in (3, 4))
    assert four[1] > three[1]
    assert read_picture(tmp_path, records()[:1]).shape[0] < read_picture(tmp_path, records()[:2]).shape[0]


def test_bars_show_annotated_and_filled_cases(tmp_path):
    colours = (ANNOTATED, FILLED_BEFORE, FILLED)
    bare = [{"stage": "one", "cases": {"a": 10}}]
    annotated_only, filled = bare, [{**bare[0], "fill": [fill("a", "zero", 10)]}]
    before, after = (
        [count_colour(read_picture(tmp_path, chain), colour) for colour in colours]
        for chain in (annotated_only, filled)
    )
    assert before[0] > 5 * after[0]  # what remains is the legend
    assert after[2] > 5 * before[2]


def test_controls_are_lines_with_their_names(tmp_path, texts):
    assert count_colour(read_picture(tmp_path, records()), CONTROL_COLOURS[0]) == 0
    texts.clear()
    assert count_colour(read_picture(tmp_path, [*records(), *CONTROLS]), CONTROL_COLOURS[0]) > 1000
    assert texts.count("annotations alone 0.600") == 1
    assert texts.count("annotations alone 0.100") == 1
    assert "-0.050" in texts
    assert {"10", "20", "filled for this stage"} <= set(texts)


@pytest.mark.parametrize(
    "chain",
    [
        [],
        [{"stage": "one"}],
        [{"stage": "one", "scores": {"all": {"dice": None, "nsd": None}}}],
        [{"stage": f"stage {i}", "cases": {"g": i}, "scores": {"x": {"dice": i / 20}}} for i in range(12)],
        [{"stage": "one"}, {"stage": "two"}, {"stage": "three", "fill": [fill("g", "one", 1), fill("h", "one", 1)]}],
        [{"stage": "one", "fill": [fill("g", "elsewhere", 1)], "cases": {"g": 0}}],
    ],
    ids=["none", "bare", "no score", "twelve", "over a stage", "unknown model"],
)
def test_any_chain_of_stages_is_drawn(tmp_path, chain):
    assert read_picture(tmp_path, chain, title="A title").std() > 0


def test_an_interrupted_picture_leaves_the_former_one(tmp_path, monkeypatch):
    read_picture(tmp_path, records())
    before = (tmp_path / "p.png").read_bytes()

    def full_disk(self, file, **kwargs):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Figure, "savefig", full_disk)
    with pytest.raises(OSError, match="No space"):
        draw_pipeline(tmp_path / "p.png", records()[:1])
    assert (tmp_path / "p.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
