"""What the scans of a training are like, for the check of scans to label: planned, of an earlier session, measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..fingerprint.dataset_fingerprint import read_records
from ..fingerprint.input_check import scan_ranges
from ..plans import PLAN_FILE, read_plan
from ..processes import on_first

SCANS = "scans"  # the entry of a plan's fingerprint


def training_scans(
    fingerprint: Mapping[str, Any],
    cases: Sequence[dict[str, Any]],
    resumed: str | Path = "",
    facts_file: str | Path | None = None,
    validate: bool = True,
) -> dict[str, Any]:
    """The ranges of the training scans' axes, sizes and intensities, see `scan_ranges`.

    Args:
        fingerprint: the plan's, whose ranges are kept where it has some.
        cases: the training cases, measured where neither plan nor earlier weights have the values.
        resumed: folder of the training that is gone on with or whose weights are; empty for a new one.
        facts_file: JSON in which the findings of the data check are kept, so that no file is read twice.
        validate: whether files are read for the sake of a check; without it nothing is measured.
    """
    if fingerprint.get(SCANS):
        return dict(fingerprint[SCANS])
    earlier = Path(resumed) / PLAN_FILE
    if resumed and earlier.is_file() and (kept := read_plan(earlier)["fingerprint"].get(SCANS)):
        return dict(kept)
    return on_first(lambda: measured_scans(cases, facts_file)) if validate else {}


def measured_scans(cases: Sequence[dict[str, Any]], facts_file: str | Path | None = None) -> dict[str, Any]:
    """The ranges of these cases, each read once; those that cannot be used are left to the data check."""
    return scan_ranges(read_records(cases, cache_file=facts_file, description="measuring scans"))
