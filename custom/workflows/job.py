"""One run of a chain, or one part of it, in this process: what `custom.workflows.jobs` starts.

python -m custom.workflows.job WORK_DIR RUN PART [with_parent]
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from ..errors import InputError, one_line, show_input_errors_in_one_line
from ..io.atomic_write import write_text
from ..io.json_file import read_json
from ..io.run_lock import HIDDEN, run_lock
from .chain import Chain
from .config_run import config_runs
from .jobs import WITH_PARENT, Task
from .pipeline import PseudoLabelPipeline
from .study import Study

CHAINS: dict[str, type[Chain]] = {one.__name__: one for one in (Chain, Study, PseudoLabelPipeline)}


def main(work_dir: str, name: str, part: str = "", *more: str) -> None:
    """Do it, and leave the last words in a file."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    show_input_errors_in_one_line()
    if WITH_PARENT in more:
        threading.Thread(target=end_with_parent, daemon=True).start()
    chain = read_chain(Path(work_dir))
    task = Task(chain, chain.runs[name], part)
    try:
        if part:
            with run_lock(task.folder, HIDDEN):
                task.run.execute_part(part)
        else:
            chain.do_alone(task.run)
    except Exception as error:
        write_text(task.end, one_line(error) or f"{type(error).__name__}: {' '.join(str(error).split())}")
        raise
    write_text(task.end, "")


def read_chain(work_dir: Path) -> Chain:
    """The chain that was described in its work folder."""
    content = read_json(work_dir / Chain.DESCRIPTION, {})
    arguments = content["arguments"]
    if "runs" in arguments:
        arguments["runs"] = config_runs(**arguments["runs"])
    if content["class"] not in CHAINS:
        raise InputError(f"jobs are for {', '.join(CHAINS)}, and this is a {content['class']}")
    return CHAINS[content["class"]](**arguments)


def end_with_parent() -> None:
    """Wait until the process that started this one is gone, however it went, then end at once."""
    os.read(sys.stdin.fileno(), 1)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # data-loading processes, too
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
