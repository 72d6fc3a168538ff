"""Tables as text and as files."""

import csv

import pytest

from custom.errors import InputError
from custom.reports.drawing import shortened
from custom.reports.text_table import aligned, read_csv, write_csv


def test_words_to_the_left_numbers_to_the_right():
    assert aligned([["class", "cases", "state"], ["liver", "12", "done"]], text_columns={0, 2}) == [
        "class  cases  state",
        "-------------------",
        "liver     12  done",
    ]


def test_columns_may_be_given_and_cells_may_be_absent(tmp_path):
    write_csv(tmp_path / "a.csv", [{"b": 1}], ["a", "b"])
    assert (tmp_path / "a.csv").read_text() == "a,b\n,1\n"


def test_a_table_that_cannot_be_read_is_named(tmp_path):
    write_csv(tmp_path / "a.csv", [{"case": "ü", "dice": None}])
    assert read_csv(tmp_path / "a.csv") == [{"case": "ü", "dice": ""}]
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe")
    for file in (tmp_path / "a.csv", tmp_path / "b.csv", tmp_path):
        with pytest.raises(InputError, match=f"^{file}: cannot be read as a table"):
            read_csv(file)


def test_csv_reads_back_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "new" / "cases.csv"
    write_csv(path, [{"case": "old", "dice": 1}])
    write_csv(path, [{"case": 'with "quotes", commas', "dice": 0.25}, {"case": "ü", "dice": None}])
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"case": 'with "quotes", commas', "dice": "0.25"},
            {"case": "ü", "dice": ""},
        ]
    assert [entry.name for entry in path.parent.iterdir()] == ["cases.csv"]


def test_names_that_are_no_text_are_written_readably(tmp_path):
    """A file name of an old network drive: Latin-1, of which Python makes a surrogate."""
    write_csv(tmp_path / "a.csv", [{"scan": b"M\xfcller".decode(errors="surrogateescape")}])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "scan\nM\\udcfcller\n"
    assert shortened(b"M\xfcller".decode(errors="surrogateescape"), 60) == "M\ufffdller"
