"""The command that looks at a data set and writes the plan of a network for it."""

import logging
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..fingerprint.data_check import absent_classes, raise_on_problems
from ..fingerprint.dataset_fingerprint import read_records
from ..fingerprint.summary import Fingerprint, summarise
from ..options.kinds import NAMES
from .configuration import REFERENCE_MEMORY_GB
from .dataset_description import described_data
from .decisions import decisions, table, warnings
from .plan import write_plan
from .planner import make_plan_of

logger = logging.getLogger(__name__)

FINGERPRINT_FILE = "fingerprint.json"
AIR = -900.0  # lowest intensity of a scan, in HU, that only CT reaches

Names = str | Sequence[str]


def make_plan(
    dataset_dir: str | Path,
    output: str | Path,
    memory_gb: float = REFERENCE_MEMORY_GB,
    name: str = "",
    classes: Names | None = None,
    channels: Names | None = None,
    num_workers: int | None = None,
) -> None:
    """Read every scan of a data set once, plan a network for it by nnU-Net's rules, and say why it is so.

    Spacings, sizes and intensities of each scan are kept in fingerprint.json next to the plan: the next run reads new
    and changed files only.

    Args:
        dataset_dir: a folder in Decathlon or nnU-Net raw layout, or a cohort manifest (.json).
        output: the plan to write, such as plan.yaml.
        memory_gb: of the graphics card to train on.
        name: of the plan; by default the data set's.
        classes: names of the classes in the order of their label values, from 1, where the data set does not say.
        channels: names of a scan's channels, likewise; one called CT is normalised as CT.
        num_workers: threads; as many cases are in memory at once.
    """
    if memory_gb <= 0:
        raise InputError(f"memory_gb is {memory_gb!r}; pass a number of GB above 0")
    data = described_data(dataset_dir, NAMES.read(classes))
    class_names = data.classes
    if not class_names:
        raise InputError(
            f'{dataset_dir} has no dataset.json with "labels"; name the classes in the order of their label values: '
            "--classes liver,tumour"
        )
    records = read_records(data.cases, len(class_names) + 1, Path(output).parent / FINGERPRINT_FILE, num_workers)
    facts = [record.facts for record in records]
    raise_on_problems(facts)
    absent_classes(facts, class_names, dataset_dir)
    fingerprint = summarise(records, len(class_names))
    channel_names = NAMES.read(channels) or data.channels or guessed_channels(fingerprint)
    plan, figures = make_plan_of(fingerprint, class_names, channel_names, memory_gb, name or data.name)
    for line in table(decisions(plan, figures, fingerprint, memory_gb)):
        logger.info("%s", line)
    for line in warnings(plan, fingerprint):
        logger.warning("warning: %s", line)
    write_plan(output, plan)
    logger.info("written to %s", output)


def guessed_channels(fingerprint: Fingerprint) -> list[str]:
    """Names for channels that the data set does not name: one that reaches the intensity of air is CT."""
    if len(fingerprint.lowest) == 1 and fingerprint.lowest[0] <= AIR:
        logger.warning(
            "no channel is named: taken as CT, since the lowest intensity is %g (air); pass --channels otherwise",
            fingerprint.lowest[0],
        )
        return ["CT"]
    names = [f"channel_{number}" for number in range(len(fingerprint.lowest))]
    logger.warning("no channel is named: taken as %s, not CT; pass --channels otherwise", ", ".join(names))
    return names
