"""Reports of hand-written stage records."""

from __future__ import annotations

from custom.reports.pipeline_report import write_pipeline_report

from .stage_chain import CONTROLS, records


def report(tmp_path, *args, **kwargs):
    write_pipeline_report(tmp_path / "report.md", tmp_path / "report.png", *args, **kwargs)
    return (tmp_path / "report.md").read_text()


def test_the_report_says_what_was_done_with_what(tmp_path):
    aside = {"case_3": "a|b.nii.gz: cannot be read\n(torn)"}
    text = report(tmp_path, [*records(), *CONTROLS], aside, title="Our run", data="40 phantoms")
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
    assert "Nothing validated yet." in text
    assert "No stage has begun." in text
    assert "No case was excluded." in text


def test_a_long_list_of_excluded_cases_is_cut_and_counted(tmp_path):
    text = report(tmp_path, [], excluded={f"case_{i:04d}": "torn" for i in range(250)})
    assert "case_0199" in text
    assert "case_0200" not in text
    assert "and 50 more." in text
    assert "Excluded: 250" in text
