"""Rank-0 decisions, broadcast to all ranks that torchrun started; a run without torchrun is rank 0 of 1."""

import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeVar

from .errors import InputError

Item = TypeVar("Item")


def rank() -> int:
    """The number of this process; before the processes are joined, the one that torchrun's environment names."""
    group = _group()
    return environment_number("RANK", 0) if group is None else int(group.get_rank())


def world_size() -> int:
    """The number of processes; before they are joined, the one that torchrun's environment names."""
    group = _group()
    return environment_number("WORLD_SIZE", 1) if group is None else int(group.get_world_size())


def environment_number(name: str, default: int) -> int:
    """A whole number of torchrun's environment. Raises InputError: it is something else."""
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise InputError(f"{name}={text} in the environment: torchrun sets a whole number; unset it")
    return int(text)


def check_environment() -> None:
    """Refuse numbers that torchrun would not set: a process that takes itself for a later one writes and says nothing.

    Raises InputError: names the variable.
    """
    number, count = environment_number("RANK", 0), environment_number("WORLD_SIZE", 1)
    environment_number("LOCAL_RANK", 0)
    if number >= count:
        raise InputError(f"RANK={number} and WORLD_SIZE={count} in the environment: torchrun counts from 0; unset both")


def is_first() -> bool:
    """Whether this process writes what is written once and shows progress."""
    return rank() == 0


def together() -> bool:
    """Whether several processes are joined, so that they can exchange results."""
    return _group() is not None and world_size() > 1


def on_first(function: Callable[[], Item]) -> Item:
    """The result of `function`, called on rank 0 only; its `InputError` is raised on all ranks.

    Processes that are not joined call it themselves.
    """
    if not together():
        return function()
    box: list[Any] = [None, None]
    if is_first():
        try:
            box[0] = function()
        except InputError as error:
            box[1] = str(error)
    sys.modules["torch.distributed"].broadcast_object_list(box, src=0)
    if box[1] is not None:
        raise InputError(box[1])
    return box[0]


def own_share(items: Sequence[Item]) -> list[Item]:
    """Every n-th item from this process's number on, so that n processes take all of them."""
    return list(items[rank() :: world_size()])


def gathered(own: dict[str, Any]) -> dict[str, Any]:
    """The entries of all ranks; also a barrier."""
    if not together():
        return own
    parts: list[dict[str, Any]] = [{} for _ in range(world_size())]
    sys.modules["torch.distributed"].all_gather_object(parts, own)
    return {key: value for part in parts for key, value in part.items()}


def _group() -> ModuleType | None:
    """`torch.distributed` once a group is initialised; where it was never imported, there is none."""
    dist = sys.modules.get("torch.distributed")
    return dist if dist is not None and dist.is_available() and dist.is_initialized() else None
