"""Tables and pictures of hand-written stage records."""

from __future__ import annotations

import matplotlib.colors
import matplotlib.image
import numpy as np
import pytest

from custom.reports import pipeline_report
from custom.reports.pipeline_report import (
    case_counts,
    draw_pipeline,
    gains,
    split_controls,
    status_table,
    write_pipeline_report,
)

CHECKSUM = "0123456789abcdef" * 4


def scores(dice, tumour=None, nsd=0.9):
    found = {"organs": {"dice": dice, "nsd": nsd, "cases": 8, "dice_sd": 0.05}}
    return found if tumour is None else found | {"tumour": {"dice": tumour, "cases": 5}}


def fill(group, model, cases):
    return {
        "group": group,
        "model_stage": model,
        "model_sha256": CHECKSUM,
        "cases": cases,
        "seconds": 60,
        "suspicious": 3,
    }


def records():
    return [
        {
            "stage": "one",
            "state": "done",
            "train": ["a"],
            "cases": {"a": 10},
            "fill": [],
            "epochs": 4,
            "training_seconds": 3599.6,
            "model_sha256": CHECKSUM,
            "scores": scores(0.7),
        },
        {
            "stage": "two",
            "state": "done",
            "train": ["a", "b"],
            "cases": {"a": 10, "b": 20},
            "fill": [fill("b", "one", 20)],
            "epochs": 4,
            "training_seconds": 100,
            "model_sha256": CHECKSUM,
            "scores": scores(0.65, 0.2),
        },
        {
            "stage": "three",
            "state": "running",
            "cases": {"b": 20, "c": 5},
            "fill": [fill("c", "one", 5)],
            "filled_by": {"b": "two"},
        },
        {"stage": "four"},
    ]


CONTROLS = [{"stage": "annotations alone", "scores": scores(0.6, 0.1)}]


def table_cells(text):
    lines = text.splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in (lines[0], *lines[2:])]


def test_the_table_shows_every_stage_and_a_dash_for_what_is_not_known():
    titles, one, two, three, four = table_cells(status_table(records()))
    assert titles[-6:] == ["organs DSC/NSD", "gain", "tumour DSC/NSD", "gain", "time", "model"]
    assert one == ["one", "done", "a", "10 (10/0)", "-", "4", "0.700/0.900", "-", "-", "-", "1:00:00", "01234567"]
    assert two[3:] == ["30 (10/20)", "b by one", "4", "0.650/0.900", "-0.050", "0.200", "-", "0:02:40", "01234567"]
    assert three == ["three", "running", "b, c", "25 (0/25)", "c by one", *["-"] * 5, "0:01:00", "-"]
    assert four == ["four", *["-"] * 11]


def test_the_columns_are_aligned():
    lines = status_table(records()).splitlines()
    assert len(lines[1]) == max(len(line) for line in lines)
    for title in ("state", "trains on", "filled by", "model"):
        assert all(line[lines[0].index(title) - 1] == " " for line in (lines[0], *lines[2:]))


def test_no_record_makes_a_table_of_titles():
    assert len(status_table([]).splitlines()) == 2


def test_a_gain_is_over_the_last_stage_that_has_the_score():
    chain = [
        {"scores": scores(0.5)},
        {"scores": None},
        {"scores": scores(0.6, 0.3)},
        {"scores": {"organs": {"dice": float("nan")}, "tumour": {"dice": 0.2}}},
        {"scores": scores(0.7)},
    ]
    found = gains(chain)
    assert [set(one) for one in found] == [set(), set(), {"organs"}, {"tumour"}, {"organs"}]
    assert found[2]["organs"] == pytest.approx(0.1)
    assert found[3]["tumour"] == pytest.approx(-0.1)
    assert found[4]["organs"] == pytest.approx(0.1)


def test_cases_are_counted_by_where_their_labels_come_from():
    record = {
        "stage": "three",
        "cases": {"a": 10, "b": 20, "c": 5, "d": 7},
        "fill": [fill("b", "two", 20)],
        "filled_by": {"c": "two", "d": "three"},
    }
    counts = {group: tuple(count) for group, count in case_counts(record).items()}
    assert counts == {"a": (10, 0, 0), "b": (0, 0, 20), "c": (0, 5, 0), "d": (0, 0, 7)}
    assert case_counts({"stage": "four"}) == {}


def test_controls_are_told_from_stages():
    chain = [{"stage": "a"}, {"stage": "b", "control": True}, {"stage": "c", "control": False}]
    stages, controls = split_controls(chain)
    assert [record["stage"] for record in stages] == ["a", "c"]
    assert [record["stage"] for record in controls] == ["b"]


@pytest.mark.parametrize(
    ("own", "of_stage", "fills", "shown"),
    [(3, 9, 1, "3"), (None, 9, 1, "9"), (None, 9, 2, "9 in all groups"), (0, None, 1, "0"), (None, None, 1, "-")],
)
def test_suspicious_cases_are_those_of_the_group_else_of_the_stage(tmp_path, own, of_stage, fills, shown):
    groups = [{**fill(f"g{number}", "zero", 5), "suspicious": own} for number in range(fills)]
    text = report(tmp_path, [{"stage": "one", "fill": groups, "suspicious": of_stage}])
    assert f"| one | g0 | zero (01234567) | 5 | {shown} | 0:01:00 |" in text


def test_controls_come_last_in_the_table_and_gain_nothing():
    chain = [{**CONTROLS[0], "control": True}, *records()]
    *_, last = table_cells(status_table(chain))
    assert last[0] == "annotations alone"
    assert last[-6:] == ["0.600/0.900", "-", "0.100", "-", "-", "-"]
    assert "+0.1" not in status_table(chain)


def report(tmp_path, *args, **kwargs):
    write_pipeline_report(tmp_path / "report.md", tmp_path / "report.png", *args, **kwargs)
    return (tmp_path / "report.md").read_text()


def test_the_report_says_what_was_done_with_what(tmp_path):
    aside = {"case_3": "a|b.nii.gz: cannot be read\n(torn)"}
    text = report(tmp_path, records(), CONTROLS, aside, title="Our run", data="40 phantoms")
    assert text.startswith("# Our run\n\n40 phantoms. Validation cases: 5 to 8")
    assert "![Stages, their cases and their scores](report.png)" in text
    assert "| two | done | a, b | 30 (10/20) | b by one | 4 | 0.650/0.900 | -0.050 |" in text
    assert "| one | organs | 8 | 0.700 +- 0.050 | 0.900 |  |" in text
    assert "| control: annotations alone | organs | 8 | 0.600 +- 0.050 | 0.900 | +0.050 |" in text
    assert "| two | b | one (01234567) | 20 | 3 | 0:01:00 |" in text
    assert "| case_3 | a\\|b.nii.gz: cannot be read (torn) |" in text
    assert {file.name for file in tmp_path.iterdir()} == {"report.md", "report.png"}


def test_the_report_of_a_run_that_has_not_begun(tmp_path):
    text = report(tmp_path, [])
    assert "Nothing has been validated yet." in text
    assert "No stage has begun." in text
    assert "No case was set aside." in text


def test_a_long_list_of_set_aside_cases_is_cut_and_counted(tmp_path):
    text = report(tmp_path, [], set_aside={f"case_{i:04d}": "torn" for i in range(250)})
    assert "case_0199" in text
    assert "case_0200" not in text
    assert "and 50 more." in text
    assert "Set aside: 250" in text


def test_a_picture_in_another_folder_is_named_by_its_way(tmp_path):
    write_pipeline_report(tmp_path / "report.md", tmp_path / "pictures" / "run.png", records())
    assert "(pictures/run.png)" in (tmp_path / "report.md").read_text()


def read_picture(tmp_path, *args, **kwargs):
    draw_pipeline(tmp_path / "p.png", *args, **kwargs)
    return matplotlib.image.imread(tmp_path / "p.png")


def count_colour(picture, colour):
    wanted = np.array(matplotlib.colors.to_rgb(colour))
    return int((np.abs(picture[..., :3] - wanted).max(axis=-1) < 0.02).sum())


def test_the_picture_grows_with_stages_and_groups_of_scores(tmp_path):
    three, four = (read_picture(tmp_path, records()[:n]).shape for n in (3, 4))
    assert four[1] > three[1]
    assert read_picture(tmp_path, records()[:1]).shape[0] < read_picture(tmp_path, records()[:2]).shape[0]


def test_bars_show_annotated_and_filled_cases(tmp_path):
    colours = (pipeline_report._ANNOTATED, pipeline_report._FILLED_BEFORE, pipeline_report._FILLED)
    bare = [{"stage": "one", "cases": {"a": 10}}]
    annotated_only, filled = bare, [{**bare[0], "fill": [fill("a", "zero", 10)]}]
    before, after = (
        [count_colour(read_picture(tmp_path, chain), colour) for colour in colours]
        for chain in (annotated_only, filled)
    )
    assert before[0] > 5 * after[0]  # what remains is the legend
    assert after[2] > 5 * before[2]


def test_controls_are_lines_with_their_names(tmp_path, monkeypatch):
    names = []
    original = pipeline_report.Axes.annotate
    monkeypatch.setattr(
        pipeline_report.Axes,
        "annotate",
        lambda self, text, *a, **k: names.append(text) or original(self, text, *a, **k),
    )
    colour = pipeline_report._CONTROL_COLOURS[0]
    assert count_colour(read_picture(tmp_path, records()), colour) == 0
    names.clear()
    assert count_colour(read_picture(tmp_path, records(), CONTROLS), colour) > 1000
    assert names.count("annotations alone 0.600") == 1
    assert names.count("annotations alone 0.100") == 1
    assert "-0.050" in names


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

    monkeypatch.setattr(pipeline_report.Figure, "savefig", full_disk)
    with pytest.raises(OSError, match="No space"):
        draw_pipeline(tmp_path / "p.png", records()[:1])
    assert (tmp_path / "p.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
