"""The configs: what MONAI asks of them by name, and every single entry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch.distributed as dist
from monai.bundle import ConfigWorkflow

from ..errors import InputError, find_input_error
from .bundle_folder import BundleFolder
from .documented import blocks, commands, config_names, header_commands, missing_package
from .small_run import scratch_values, small_values

EXECUTED = ("initialize", "run", "finalize")  # running them is a check of its own


def check_train_properties(bundle: BundleFolder) -> None:
    """train.yaml has every id that MONAI looks for in a training, also with evaluate.yaml over it."""
    for names in (("train",), ("train", "evaluate")):
        check_properties(bundle, "train", *names)


def check_inference_properties(bundle: BundleFolder) -> None:
    """inference.yaml has every id that MONAI looks for."""
    check_properties(bundle, "inference", "inference")


def check_properties(bundle: BundleFolder, kind: str, *names: str) -> None:
    """MONAI's own check of some configs, which also makes everything they describe."""
    workflow = ConfigWorkflow(
        config_file=bundle.files(*names),
        meta_file=str(bundle.metadata_file),
        logging_file=str(bundle.root / "configs" / "logging.conf"),
        workflow_type=kind,
        **{"bundle_root": str(bundle.root)} | small_values(bundle, *names) | scratch_values(bundle, *names),
    )
    workflow.initialize()
    try:
        missing = workflow.check_properties()
    except KeyError as error:  # MONAI means to list what is missing, but stumbles over the first
        missing = [str(error.args[0])]
    if missing:
        raise InputError(f"{shown(names)}: MONAI misses {', '.join(missing)}; name it as in its bundle specification")


def check_entries(bundle: BundleFolder) -> str:
    """Every entry of every documented combination of configs can be made.

    Returns:
        Which were left out for want of a package.
    """
    sets = config_sets(bundle)
    used = {name for names in sets for name in names}
    unused = sorted(file.stem for file in configs_of(bundle) if file.stem not in used)
    if unused:
        raise InputError(f"{shown(unused)}: in no documented command; show one in the head of each")
    notes = []
    for names in sorted(sets, key=lambda names: ("evaluate" in names, names[0] != "train", names)):
        lacking = missing_package(" ".join(names))
        if lacking:
            notes.append(f"{names[-1]}.yaml left out, which needs {lacking}")
        else:
            check_combination(bundle, names)
    return "; ".join(notes)


def config_sets(bundle: BundleFolder) -> set[tuple[str, ...]]:
    """The combinations of configs in the page's commands and the configs' heads."""
    found = [command for block in blocks(bundle.root / "docs" / "README.md") for command in commands(block)]
    for config in configs_of(bundle):
        found += header_commands(config)
    # the rest are commands of the code, exports, and overlays of the user's own
    sets = {config_names(command) for command in found if "monai.bundle run" in command}
    own = {file.stem for file in configs_of(bundle)}
    return {names for names in sets if names and own.issuperset(names)}


def configs_of(bundle: BundleFolder) -> list[Path]:
    """The bundle's YAML configs."""
    return sorted((bundle.root / "configs").glob("*.yaml"))


def check_combination(bundle: BundleFolder, names: tuple[str, ...]) -> None:
    """Every top-level entry of configs laid over one another can be made, small and on boxes."""
    values = small_values(bundle, *names) | scratch_values(bundle, *names)
    parser = bundle.parser(*names, **values)
    with lone_process() if "multi_gpu_train" in names else nullcontext():
        for entry in parser.get():
            if entry in EXECUTED or parser.get(entry) in [f"@{name}" for name in EXECUTED]:
                continue
            try:
                parser.get_parsed_content(entry)
            except Exception as error:
                raise InputError(f"{shown(names)}: {entry} cannot be made: {reason(error)}; correct it") from error


@contextmanager
def lone_process() -> Iterator[None]:
    """A process group of this process alone, for what several processes share."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def shown(names: Any) -> str:
    """Names of configs as a user reads them."""
    return " + ".join(f"{name}.yaml" for name in names)


def reason(error: BaseException) -> str:
    """The innermost cause of an error in one line: MONAI wraps it several times."""
    known = find_input_error(error)
    while known is None and (error.__cause__ or error.__context__):
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(known or f"{type(error).__name__}: {error}").split())[:300]
