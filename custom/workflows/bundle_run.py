"""Configs of a bundle: run inside this process, and what can be known of them before."""

import gc
import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser, ConfigWorkflow

from ..bundle_configs import config_file
from ..errors import InputError
from ..io.checksums import sha256
from ..nearest_name import did_you_mean
from ..options.bundle_options import options_by_name
from ..options.gate import literal

EXPRESSIONS = ("$", "@")
STOP_EPOCH = "stop_epoch"
TRAINING_LOADER, LEFT_OUT = "train#dataloader", "left_out"  # ids of configs


class InnerWorkflow(ConfigWorkflow):
    """A config that runs inside the process of another command: nothing of the command line is meant for it."""

    command_line: Mapping[str, str] = {}


def run_config(bundle_root: str | Path, names: Sequence[str], overrides: Mapping[str, Any]) -> dict[str, str]:
    """What `python -m monai.bundle run --config_file [configs/NAME.yaml, ...] --key value ...` does, in this process.

    A process of its own would import everything again for every step and could not share torchrun's group of processes.
    That group stays: the config's `finalize`, which would leave it, is not run.

    Args:
        bundle_root: folder of the bundle.
        names: configs to lay over one another, without folder and ending.
        overrides: ids -> values, as on the command line.

    Returns:
        Image -> reason of the scans that were left out.
    """
    values = {"bundle_root": str(bundle_root), **overrides}
    for key, value in values.items():
        if isinstance(value, str) and not value.startswith(EXPRESSIONS):  # a path may hold what MONAI would change
            values[key] = literal(value)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="parsing config_file")  # the pipeline's own run has said it
        workflow = InnerWorkflow(
            config_file=[str(config_file(bundle_root, f"{name}.yaml")) for name in names],
            meta_file=str(Path(bundle_root) / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type=None,
            **values,
        )
    try:
        workflow.initialize()
        workflow.run()
        end_loading_processes(workflow.parser)
        return dict(workflow.parser.get_parsed_content(LEFT_OUT).reasons) if LEFT_OUT in workflow.parser else {}
    finally:
        del workflow
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def config_checksums(bundle_root: str | Path, names: Sequence[str]) -> dict[str, str]:
    """Name -> checksum of configs of a bundle."""
    return {name: sha256(config_file(bundle_root, f"{name}.yaml")) for name in names}


@lru_cache
def known_settings(bundle_root: str | Path, names: tuple[str, ...]) -> frozenset[str]:
    """The first words of the ids of some configs laid over one another; reading them takes half a second."""
    return frozenset(ConfigParser.load_config_files([str(config_file(bundle_root, f"{name}.yaml")) for name in names]))


def is_known(key: str, known: Collection[str]) -> bool:
    """Whether configs have an id, or what it is a part of."""
    return key.split("#", maxsplit=1)[0] in known


def checked_settings(
    who: str, bundle_root: str | Path, names: tuple[str, ...], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Settings of some configs as they are meant, so that equal ones are equal however they were written.

    Raises InputError: no config has the setting, which would change nothing, silently; a value is not of its kind, or
    would end a training early.
    """
    known, options = known_settings(bundle_root, names), options_by_name(Path(bundle_root) / "configs")
    found = {}
    for key, value in settings.items():
        if not is_known(key, known):
            raise InputError(f"{who}: no config has a setting {key!r}{did_you_mean(key, known)}; correct its name")
        if key == STOP_EPOCH and str(value) != "0":
            raise InputError(f"{who}: {key} ends a training that would then count as done; leave it out")
        is_expression = isinstance(value, str) and value.startswith(EXPRESSIONS)
        found[key] = options[key].checked(value, f"{who}: ") if key in options and not is_expression else value
    return found


def end_loading_processes(parser: ConfigParser) -> None:
    """Let the persistent processes of a training's loader end now.

    The garbage collector would close their queues before it asks them to end: PyTorch then waits five seconds.
    """
    if TRAINING_LOADER in parser.ref_resolver.resolved_content:  # an evaluation has not made one
        parser.get_parsed_content(TRAINING_LOADER)._iterator = None
