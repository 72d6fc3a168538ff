"""The section with scans to look at: who is shown, and what of them the page carries."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError
from ..case_scores import CaseScores
from ..drawing import class_colour
from ..metric_table import number_text
from ..study_tables import case_means
from .case_choice import ShownCase, choose_cases, kept_cases
from .case_slices import slices, tiles
from .case_volumes import CaseVolumes, as_nifti, load_case
from .page_parts import Section
from .results import Results
from .score_sections import DICE, means_of, worst_table

logger = logging.getLogger(__name__)

TRUTH = "truth"
NIIVUE, SLICES = "niivue", "slices"
MB = 2**20


@dataclass(frozen=True)
class PageCase:
    """A case as the page has it: `tiles` are name, picture and score; `data` is what the viewer reads."""

    id: str
    name: str
    reason: str
    note: str
    tiles: Sequence[tuple[str, str, str]]
    data: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Letters in the page, nearly."""
        maps = [one for key in ("layers", "slices") for one in self.data.get(key, {}).values()]
        texts = [text for one in maps for text in ([one] if isinstance(one, str) else one)]
        return sum(map(len, texts)) + sum(len(picture) for _, picture, _ in self.tiles)


def case_section(results: Results, scored: CaseScores, viewer: str, count: int, max_mb: float) -> Section:
    """The worst cases as a table, and those that are shown; beyond `max_mb` of pictures no further case is taken."""
    dice = means_of(scored, DICE, results.methods)
    per_case = {name: case_means(one) for name, one in dice.items()}
    files = kept_cases(results.methods)
    kept = {name: [case for case, one in files.items() if name in one.predictions] for name in per_case}
    chosen = choose_cases(per_case, count, kept)
    shown: list[PageCase] = []
    notes, size = [], 0
    for case, reasons in chosen.items():
        found = files[case]
        try:
            volumes = load_case(found.image, {TRUTH: found.label, **found.predictions})
        except InputError as error:
            logger.warning("%s is not shown: %s", case, error)
            notes.append(f"{case} is not shown: {error}")
            continue
        own = {name: number_text(one[case], DICE) for name, one in per_case.items() if case in one}
        one = page_case(f"case{len(shown)}", found, reasons, volumes, own, scored.class_names, viewer)
        if size + one.size > max_mb * MB:
            notes.append(
                f"{len(chosen) - len(shown)} further cases would make the page larger: --max_mb {max_mb:g} allows more"
            )
            break
        size += one.size
        shown.append(one)
    if not files and any(one.evaluations for one in results.methods):
        notes.append("No evaluation kept its label maps (keep_predictions: all keeps them), so no scan is shown.")
    if shown and results.seeds > 1:
        notes.append(f"Scores are means over {results.seeds} seeds; the label maps are those of the first.")
    table = worst_table(results, scored, {one.name: one.id for one in shown})
    return Section("cases", "Cases, the worst first", notes, [table] if len(table.lines) > 1 else [], cases=shown)


def page_case(
    identifier: str,
    case: ShownCase,
    reasons: Sequence[str],
    volumes: CaseVolumes,
    scores: Mapping[str, str],
    class_names: Sequence[str],
    viewer: str,
) -> PageCase:
    """What the page has of a case."""
    data: dict[str, Any] = {"name": case.name, "layers": {}, "slices": {}, "scores": scores}
    data["colours"] = [[name, class_colour(number)] for number, name in enumerate(class_names, start=1)]
    if viewer == NIIVUE:
        data["layers"] = {name: as_nifti(one, volumes) for name, one in volumes.labels.items()}
        data["scan"] = as_nifti(volumes.image, volumes, is_scan=True)
        data["range"] = [volumes.low, volumes.high]
    else:
        data["slices"] = slices(volumes)
    pictures = [(name, picture, scores.get(name, "")) for name, picture in tiles(volumes)]
    return PageCase(identifier, case.name, ", ".join(reasons), volumes.note, pictures, data)
