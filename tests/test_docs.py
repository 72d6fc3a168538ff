"""The pages in docs: every message they explain stands in the code, every report has an address and an outcome."""

import ast
import re
from functools import cache

import pytest

from .readme_commands import blocks

GAP = "…"
# lines that others print
FOREIGN = ("No module named", "KeyError", "run ID", "Cannot find the config", "torch.distributed.elastic")


@cache
def texts(project):
    """Every text in the code, with a gap for each value put in."""
    found = []
    for file in sorted((project / "custom").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(re.sub(r"%[sd]|\{\w*\}", GAP, node.value))
    return "\n".join(found)


def rows(page):
    """The cells of every table's row."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("|---")]
    return [row for row in cells if row[0] not in ("the line says", "report")]


def quoted(project):
    page = project / "docs" / "when_something_goes_wrong.md"
    return [row[0].split("`")[1] for row in rows(page)]


def test_every_message_of_the_page_stands_in_the_code(project):
    messages = [message for message in quoted(project) if not message.startswith(FOREIGN)]
    assert len(messages) > 50
    missing = []
    for message in messages:
        pieces = [re.escape(piece) for piece in message.split(GAP)]
        if not re.search(r"[^\n]*?".join(pieces), texts(project)):
            missing.append(message)
    assert missing == []


def test_every_message_says_more_than_its_gaps(project):
    for message in quoted(project):
        assert len(message.replace(GAP, "").strip(" :;,.()")) > 10, message


def test_reports_have_an_address_and_an_outcome(project):
    found = rows(project / "docs" / "reliability.md")
    assert len(found) >= 20
    for report, tried, outcome in found:
        assert re.search(r"\(https://[\w./-]+\)", report), report
        assert tried
        assert outcome.startswith(("handled correctly", "refused", "fixed", "a limit")), outcome


@pytest.mark.parametrize("page", ["when_something_goes_wrong.md", "reliability.md"])
def test_the_front_page_links_them(project, page):
    assert f"(docs/{page})" in (project / "README.md").read_text(encoding="utf-8")


def test_commands_of_studies_are_the_bundles_which_are_run(project):
    block, *_ = blocks(project / "docs" / "studies.md")  # then the demos, and several runs at once
    assert block.removeprefix("cd bundles/batseg_spine\n") in blocks(project / "bundles/batseg_spine/docs/README.md")


def test_every_page_is_in_the_sites_menu(project):
    menu = (project / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in (project / "docs").glob("*.md") if f": {page.name}" not in menu] == []
