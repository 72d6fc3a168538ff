"""Which classes of a stage's pseudo-labels stay unannotated, because the model that labels is not good at them."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..cohort.held_back import class_agreement, held_back
from ..cohort.manifest import Cohort, CohortCase
from ..fingerprint.label_statistics import read_label_map
from ..io.json_file import read_json
from .recipe import Fill, Stage
from .work_folder import StageFolder, record_of

logger = logging.getLogger(__name__)

Reasons = dict[str, dict[str, str]]  # name of a case -> name of a class -> why it is held back in it


def judge_group(
    stage: Stage,
    fill: Fill,
    cases: Sequence[CohortCase],
    cohort: Cohort,
    folder: StageFolder,
    model: StageFolder,
    second_model: StageFolder | None = None,
) -> Reasons:
    """The classes that a group's cases do not get from their pseudo-labels; cases that get all are left out.

    `folder` is the stage's own, with the pseudo-labels, `model` that of the stage whose model labelled them,
    `second_model` that of the one which it must agree with.
    """
    models = {stage.agree_with: second_model} if second_model else {}
    unknown = {
        number: f"not learnt by {name}"
        for name, one in {**models, fill.model_stage: model}.items()
        for number in set(fill.classes) - learnt_classes(one, cohort)
    }
    dice = validation_dice(model, cohort)
    found: Reasons = {}
    for case in cases:
        label = folder.pseudo_label(fill.group, case.name)
        missing = [number for number in fill.classes if number not in case.annotated]
        agreement: Mapping[int, float] = {}
        if stage.agree_with:
            second = folder.second_label(fill.group, case.name)
            agreement = class_agreement(read_label_map(label).voxels, read_label_map(second).voxels, missing)
        reasons = {number: unknown[number] for number in missing if number in unknown}
        reasons |= held_back(
            [number for number in missing if number not in unknown],
            stage.thresholds,
            dice,
            class_confidence(record_of(label), cohort),
            agreement,
            cohort.lesions,
        )
        if reasons:
            found[case.name] = {cohort.classes[number - 1]: reason for number, reason in sorted(reasons.items())}
    for line in held_back_lines(fill, cases, cohort, found):
        logger.info("%s: %s", fill.group, line)
    return found


def learnt_classes(model: StageFolder, cohort: Cohort) -> set[int]:
    """The classes that a stage's model was shown in some case."""
    return set(cohort.class_ids(read_json(model.record, {}).get("learnt", cohort.classes)))


def validation_dice(model: StageFolder, cohort: Cohort) -> dict[int, float | None]:
    """Class -> mean Dice of a stage's model on the validation cases, None where none of them has the class."""
    summary: Mapping[str, Any] = read_json(model.scores, {}).get("summary", {})
    return {number: summary.get(name, {}).get("dice_mean") for number, name in enumerate(cohort.classes, start=1)}


def class_confidence(record: Path, cohort: Cohort) -> dict[int, float]:
    """Class -> mean probability, from the record of a prediction."""
    confidence: Mapping[str, float] = read_json(record, {}).get("confidence", {})
    return {number: confidence[name] for number, name in enumerate(cohort.classes, start=1) if name in confidence}


def held_back_lines(fill: Fill, cases: Sequence[CohortCase], cohort: Cohort, found: Reasons) -> list[str]:
    """Each class that is held back somewhere: in how many of the cases that lack it, and why."""
    lines = []
    for number in fill.classes:
        name = cohort.classes[number - 1]
        reasons = Counter(one[name] for one in found.values() if name in one)
        lacking = sum(number not in case.annotated for case in cases)
        if reasons:
            why = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
            lines.append(f"{name} stays unannotated in {reasons.total()} of {lacking} cases: {why}")
    return lines
