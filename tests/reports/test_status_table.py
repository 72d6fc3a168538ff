"""Tables of hand-written stage records."""

from __future__ import annotations

from custom.reports.status_table import run_table, status_page, status_table

from .stage_chain import CONTROLS, fill, records


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


def test_cases_are_counted_by_where_their_labels_come_from():
    record = {
        "stage": "three",
        "cases": {"a": 10, "b": 20, "c": 5, "d": 7},
        "fill": [fill("b", "two", 20)],
        "filled_by": {"c": "two", "d": "three"},
    }
    assert table_cells(status_table([record]))[1][3] == "42 (10/32)"


def test_the_columns_are_aligned():
    lines = status_table(records()).splitlines()
    assert len(lines[1]) == max(len(line) for line in lines)
    for title in ("state", "trains on", "filled by", "model"):
        assert all(line[lines[0].index(title) - 1] == " " for line in (lines[0], *lines[2:]))


def test_no_record_makes_a_table_of_titles():
    assert len(status_table([]).splitlines()) == 2


def test_controls_come_last_in_the_table_and_gain_nothing():
    chain = [*CONTROLS, *records()]
    *_, last = table_cells(status_table(chain))
    assert last[0] == "annotations alone"
    assert last[-6:] == ["0.600/0.900", "-", "0.100", "-", "-", "-"]
    assert "+0.1" not in status_table(chain)


def test_the_page_has_what_was_held_back_and_excluded():
    chain = [*records(), *CONTROLS]
    chain[1]["fill"][0]["held_back"] = ["tumour stays unannotated in 2 of 20 cases"]
    text = status_page("Our run", "40 phantoms", chain, {"case_3": "a|b.nii.gz: cannot be read\n(torn)"})
    assert text.startswith("# Our run\n\n40 phantoms\n\n## Stages\n\n| stage | state |")
    assert "| two | done | a, b | 30 (10/20) | b by one | 4 | 0.650/0.900 | -0.050 |" in text
    assert "| annotations alone | - | - | - | - | - | 0.600/0.900 | - |" in text
    assert "- two, b: tumour stays unannotated in 2 of 20 cases" in text
    assert "| case_3 | a\\|b.nii.gz: cannot be read (torn) |" in text


def test_a_long_list_of_excluded_cases_is_cut_and_counted():
    text = status_page("r", "d", [], {f"case_{i:04d}": "torn" for i in range(250)})
    assert "## Excluded cases: 250" in text
    assert "case_0199" in text
    assert "case_0200" not in text
    assert text.endswith("and 50 more\n")
    assert "held back" not in text


def test_runs_what_they_follow_from_and_their_scores():
    score = {"liver": {"dice": 0.5}, "spleen": {"dice": 0.25, "nsd": 0.75}}
    records = [
        {"run": "train", "state": "done", "needs": [], "finished": "2026-01-01", "scores": {}},
        {"run": "score", "state": "running", "needs": ["train", "split"], "scores": score},
        {"run": "export", "state": "not begun"},
    ]
    titles, _, *lines = run_table(records).splitlines()
    assert titles.split("  ")[0] == "run"
    assert titles.endswith("liver DSC/NSD  spleen DSC/NSD")
    assert [line.split() for line in lines] == [
        ["train", "done", "-", "2026-01-01", "-", "-"],
        ["score", "running", "train,", "split", "-", "0.500", "0.250/0.750"],
        ["export", "not", "begun", "-", "-", "-", "-"],
    ]
