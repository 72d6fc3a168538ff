"""`python -m custom compare`: tables, tests and a page of scores alone, also of parts of a study together."""

import logging
from pathlib import Path

from ...errors import InputError
from ...io.atomic_write import write_text
from ...io.write_errors import reporting_unwritable
from ..case_scores import CaseScores, collect_scores, is_study, read_case_scores, scoring_rules
from ..study_tables import write_tables
from .report_command import page_of, page_text
from .results import STUDY, Method, Results, evaluation_results

logger = logging.getLogger(__name__)

PAGE = "scores.html"  # a study has a report.html of its own, which may lie in the same folder


def compare(scores: str | Path, reference: str, output: str | Path, title: str = "Study") -> None:
    """Make the tables and tests of a study or a recipe from the scores of its cases, also of several machines' parts.

    Or of any models that `evaluate.yaml` has scored on the same cases.

    Writes study.md, study.tex, scores.csv, comparisons.csv and comparisons_per_class.csv, and scores.html, a page of
    the same with box plots, Dice against volume, confusion and the worst cases (package jinja2).

    Args:
        scores: the work_dir of a study, its case_scores.csv, a folder with those of several machines as .csv files, or
            a folder with the output_dir of an evaluation for each model, under the model's name.
        reference: the method that the others are compared with.
        output: the folder of the tables.
        title: above them.

    Raises:
        InputError: a file has no such scores, two have the same ones or are of different classes or folds, no method is
            called `reference`, or the folder cannot be written or holds the scores.
    """
    place = Path(scores)
    if place.is_dir() and not is_study(place) and Path(output).resolve() == place.resolve():
        raise InputError(f"--output {output}: its tables would be read as scores next time; pass another folder")
    models = evaluation_results(place).methods if place.is_dir() and not list(place.glob("*.csv")) else ()
    sources = [source for one in models for source in one.sources]
    found = collect_scores(sources) if models else read_case_scores(scores)
    if not found.scores:
        raise InputError(f"{scores}: no scores yet; run the study, or pass another file or folder")
    methods = found.methods
    if reference not in methods:
        raise InputError(f"{scores}: no method is called {reference}; pass as --reference one of {', '.join(methods)}")
    with reporting_unwritable(output, "pass another --output"):
        text = write_tables(
            Path(output), title, found.scores, found.class_names, found.groups, reference, scoring_rules(sources)
        )
        write_score_page(Path(output), title, found, reference, models)
    logger.info("\n%s\nwritten to %s", text, output)


def write_score_page(
    folder: Path, title: str, found: CaseScores, reference: str, models: tuple[Method, ...] = ()
) -> None:
    """The sections of a study's page that need nothing but scores; without jinja2 a warning and no page."""
    methods = models or tuple(Method(name, (), (), ()) for name in found.methods)
    results = Results(STUDY, folder, title, methods, (), 0, reference)
    (folder / PAGE).unlink(missing_ok=True)  # of other scores, where no page is written now
    try:
        text = page_text(page_of(results, found), None)
    except InputError as error:
        logger.warning("%s: not written (%s)", folder / PAGE, error)
    else:
        write_text(folder / PAGE, text)
