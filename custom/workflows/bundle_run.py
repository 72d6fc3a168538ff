"""One bundle config run inside a longer run."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser, ConfigWorkflow

TRAINING_LOADER = "train#dataloader"


def run_config(bundle_root: str | Path, names: Sequence[str], overrides: Mapping[str, Any]) -> None:
    """What `python -m monai.bundle run --config_file [configs/NAME.yaml, ...] --key value ...` does, in this process.

    A process of its own would import everything anew for every step and could not share torchrun's group of processes.
    That group stays: the config's `finalize`, which would leave it, is not run.

    Args:
        bundle_root: folder of the bundle.
        names: configs to lay over one another, without folder and ending.
        overrides: ids -> values, as on the command line.
    """
    folder = Path(bundle_root) / "configs"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="parsing config_file")  # the pipeline's own run has said it
        workflow = ConfigWorkflow(
            config_file=[str(folder / f"{name}.yaml") for name in names],
            meta_file=str(folder / "metadata.json"),
            logging_file=False,
            workflow_type=None,
            bundle_root=str(bundle_root),
            **overrides,
        )
    try:
        workflow.initialize()
        workflow.run()
        end_loading_processes(workflow.parser)
    finally:
        del workflow
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def end_loading_processes(parser: ConfigParser) -> None:
    """Let the persistent processes of a training's loader end now.

    The garbage collector would close their queues before it tells them to end: PyTorch then waits five seconds.
    """
    if TRAINING_LOADER in parser:
        parser.get_parsed_content(TRAINING_LOADER)._iterator = None
