"""`python -m custom report FOLDER`: the page of a study or a recipe, at any time."""

import logging
from datetime import datetime
from pathlib import Path

from ...errors import InputError
from ...io.atomic_write import write_text
from ...io.optional_package import needed_package
from ..case_scores import CaseScores, collect_scores
from .case_section import NIIVUE, SLICES, case_section
from .page_parts import Page
from .recipe_results import recipe_results, work_folders
from .results import RECIPE, RECIPE_FILE, STUDY_FILE, Results, evaluation_results, study_results
from .score_sections import box_section, confusion_section, score_section, volume_section
from .setting_sections import curve_section, done, efficiency_section, run_section, setting_section
from .stage_sections import pseudo_label_section, stage_section
from .viewer_script import ViewerScript, viewer_script

logger = logging.getLogger(__name__)

AUTO = "auto"
PAGE_FILE = "report.html"


def write_report(
    folder: str | Path, output: str | Path = "", viewer: str = AUTO, cases: int = 3, max_mb: float = 30.0
) -> None:
    """Write one HTML page of a study or recipe, finished or not, or of evaluations; it needs no network or other file.

    Args:
        folder: work_dir of the study or recipe, also of a recipe with several seeds, or a folder with the output_dir of
            an evaluation for each model.
        output: the page; by default report.html in the folder.
        viewer: niivue (volumes to scroll, package ipyniivue), slices (pictures and a slider), or auto: niivue where
            it is installed.
        cases: shown of each method, evenly spread from its worst to its best: 3 are worst, median and best; 0 for none.
        max_mb: of scans and pictures in the page; cases beyond it are left out and counted.

    Raises:
        InputError: the folder is neither, a file in it is damaged, or a package is missing.
    """
    if viewer not in (AUTO, NIIVUE, SLICES):
        raise InputError(f"report: --viewer {viewer}: pass {NIIVUE}, {SLICES} or {AUTO}")
    if cases < 0 or max_mb < 0:
        raise InputError(f"report: --cases {cases} --max_mb {max_mb:g}: pass numbers of at least 0")
    needed_package("jinja2", "jinja2", "the page")
    script = found_viewer(viewer)
    viewer = NIIVUE if script else SLICES
    results = read_results(folder)
    scored = collect_scores([source for one in results.methods for source in one.sources])
    page = page_of(results, scored, viewer, cases, max_mb)
    target = Path(output) if str(output) else results.folder / PAGE_FILE
    text = page_text(page, script if any(section.cases for section in page.sections) else None)
    write_text(target, text)
    progress = f", {done(results)} of {results.runs} runs done" if results.runs else ""
    logger.info("%s: %.1f MB%s", target, len(text) / 2**20, progress)


def write_report_or_warn(folder: str | Path) -> None:
    """The page at the end of long work, which is done all the same where the page fails."""
    try:
        write_report(folder)
    except Exception as error:
        logger.warning("%s: not written (%s)", Path(folder) / PAGE_FILE, error if str(error) else repr(error))


def read_results(folder: str | Path) -> Results:
    """The results in the work folder of a study or a recipe, finished or not.

    Raises InputError: it is neither, or a file in it is damaged.
    """
    place = Path(folder)
    if (place / STUDY_FILE).is_file():
        return study_results(place)
    if any((work / "stages").is_dir() for work in work_folders(place)):
        return recipe_results(place)
    if (place / RECIPE_FILE).is_file():
        raise InputError(f"{folder}: no stage of this recipe has begun yet")
    if (found := evaluation_results(place)).methods:
        return found
    what = f"holds neither {STUDY_FILE} nor stages nor folders with an evaluation"
    raise InputError(f"{folder}: {what}; pass the work_dir of a study or a recipe")


def found_viewer(viewer: str) -> ViewerScript | None:
    """The script of NiiVue; None for slices, or where it is not to be had and need not be."""
    try:
        return None if viewer == SLICES else viewer_script()
    except InputError as error:
        if viewer == NIIVUE:
            raise
        logger.info("slices in place of volumes: %s", error)
        return None


def page_of(results: Results, scored: CaseScores, viewer: str = SLICES, cases: int = 0, max_mb: float = 0.0) -> Page:
    """The page's sections that have something to show."""
    sections = [
        stage_section(results),
        score_section(results, scored),
        efficiency_section(results),
        box_section(results, scored),
        case_section(results, scored, viewer, cases, max_mb),
        volume_section(results, scored),
        confusion_section(results, scored),
        pseudo_label_section(results),
        curve_section(results),
        setting_section(results),
        run_section(results),
    ]
    return Page(results.title, facts(results, scored), [one for one in sections if not one.is_empty])


def facts(results: Results, scored: CaseScores) -> list[str]:
    """What heads the page."""
    unit = "stages" if results.kind == RECIPE else "runs"
    lines = [f"{done(results)} of {results.runs} {unit} done"] if results.runs else []
    lines.append(f"{len({score.case for score in scored.scores})} patients scored")
    lines += [f"scores of {results.scored}"] if results.scored else []
    if scored.class_names:
        lines.append(f"classes: {', '.join(scored.class_names)}")
    if results.reference:
        lines.append(f"reference: {results.reference}")
    return [*lines, f"written {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"]


def page_text(page: Page, script: ViewerScript | None) -> str:
    """The page as HTML; everything that comes from names and files is escaped by the template."""
    jinja2 = needed_package("jinja2", "jinja2", "the page")
    here = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {}  # jinja2 would sort the keys, and with them the layers
    parts = {kind: (here / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js")}
    return str(environment.get_template("page.html").render(page=page, script=script, **parts))
