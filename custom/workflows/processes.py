"""The processes that torchrun started, working on one list: what the first decides, all learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch.distributed as dist

from ..errors import InputError

Item = TypeVar("Item")


def together() -> bool:
    """Whether several processes run this."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """The number of this process, 0 where it is alone."""
    return dist.get_rank() if together() else 0


def is_first() -> bool:
    """Whether this process is the one that writes what is written once."""
    return rank() == 0


def on_first(function: Callable[[], Item]) -> Item:
    """The result of `function`, which the first process alone calls; its `InputError` is raised in all of them."""
    if not together():
        return function()
    box: list[Any] = [None, None]
    if is_first():
        try:
            box[0] = function()
        except InputError as error:
            box[1] = str(error)
    dist.broadcast_object_list(box, src=0)
    if box[1] is not None:
        raise InputError(box[1])
    return box[0]


def own_share(items: Sequence[Item]) -> list[Item]:
    """Every n-th item, so that n processes take all of them."""
    return list(items[rank() :: dist.get_world_size()]) if together() else list(items)


def gathered(own: dict[str, Any]) -> dict[str, Any]:
    """The entries of all processes; also a point where all of them meet."""
    if not together():
        return own
    parts: list[dict[str, Any]] = [{} for _ in range(dist.get_world_size())]
    dist.all_gather_object(parts, own)
    return {key: value for part in parts for key, value in part.items()}
