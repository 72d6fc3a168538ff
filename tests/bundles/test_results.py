"""The tables of the pages are those of the scores that lie next to them."""

import logging
from pathlib import Path

import pytest

from custom.reports.page import compare

DOCS = Path(__file__).parents[2] / "bundles" / "batseg_spine" / "docs"
REFERENCE = "nnunet"


@pytest.mark.parametrize("scores", sorted((DOCS / "scores").glob("*.csv")), ids=lambda file: file.stem)
def test_every_line_of_the_tables_stands_on_the_page(scores, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        compare(scores, REFERENCE, tmp_path)
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    tables = [line for line in (tmp_path / "study.md").read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    assert len(tables) > 6
    assert [line for line in tables if line not in page] == []
    assert f"(scores/{scores.name})" in page
