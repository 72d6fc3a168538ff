"""One training in a folder at a time: two would write one another's weights, logs and checkpoints."""

from __future__ import annotations

from ..io.run_lock import hold
from ..processes import on_first

OPTIONS = "--output_dir and --ckpt_dir"


def claim_folders(*folders: str) -> None:
    """Hold the folders of a training until `run_lock.let_go` or the end of this process, however it comes.

    Raises:
        InputError: another training holds one; its process, machine and start are named.
    """
    on_first(lambda: [hold(folder, OPTIONS) for folder in folders])
