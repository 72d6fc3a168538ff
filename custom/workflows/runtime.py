"""Which values of runs leave their result as it is, so that finished runs stay as they are when these change."""

from collections.abc import Mapping
from typing import Any

from ..errors import InputError

# amp and cpu_bfloat16 round differently, no more
RUNTIME = (
    *("num_workers", "device", "amp", "cpu_bfloat16", "cache_rate", "cache_dir", "deterministic", "validate_data"),
    *("save_interval", "tensorboard", "tracking", "tracking_uri", "keep_predictions", "case_records"),
)


def refuse_results(runtime: Mapping[str, Any] | None) -> None:
    """Raise an `InputError` where values given as runtime change results: nobody would notice that runs are old."""
    for key in runtime or {}:
        if key not in RUNTIME:
            raise InputError(
                f"runtime: {key} is none of the values that leave a result as it is ({', '.join(RUNTIME)}): "
                "give it in training, or in the settings of one"
            )
