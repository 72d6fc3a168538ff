"""One training in a folder at a time: two would write one another's weights, logs and checkpoints."""

from functools import partial

from ..io.run_lock import hold
from ..options.gate import running_workflow
from ..processes import on_first

OPTIONS = "--output_dir and --ckpt_dir"


def claim_folders(*folders: str) -> None:
    """Hold the folders of a training until `run_lock.let_go`, or the end of its workflow or process, however it comes.

    Raises:
        InputError: another training holds one; its process, machine and start are named.
    """
    for folder in folders:
        on_first(partial(hold, folder, OPTIONS, running_workflow()))
