"""One training in a folder at a time: two would write one another's weights, logs and checkpoints."""

from functools import partial
from pathlib import Path

from ..errors import InputError
from ..io.run_lock import hold
from ..options.gate import running_workflow
from ..plans import MODEL_FILE
from ..processes import on_first

OPTIONS = "--output_dir and --ckpt_dir"


def claim_folders(*folders: str) -> None:
    """Hold the folders of a training until `run_lock.let_go`, or the end of its workflow or process, however it comes.

    Raises InputError: another training holds one; its process, machine and start are named. Or one holds a released
    model, which a training would replace.
    """
    for folder in folders:
        if (Path(folder) / MODEL_FILE).is_file():
            place = Path(folder)
            raise InputError(
                f"{place} holds a released model, which stays as it is: pass another --ckpt_dir, such as {place}_own"
            )
        on_first(partial(hold, folder, OPTIONS, running_workflow()))
