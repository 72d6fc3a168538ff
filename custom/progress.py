"""Many items in threads, under a progress bar that only the first process shows."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tqdm import tqdm

from .processes import is_first

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 4  # each holds a volume or two


def with_progress(
    items: Iterable[Item], description: str, unit: str = "case", total: int | None = None, **options: Any
) -> Iterable[Item]:
    """The items under a bar; none where there is no item, nor on ranks other than the first."""
    count = len(items) if isinstance(items, Sequence) else total
    return tqdm(items, desc=description, unit=unit, total=count, disable=count == 0 or not is_first(), **options)


def map_with_progress(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    description: str,
    unit: str = "case",
    num_workers: int | None = None,
) -> Iterator[Result]:
    """`function` of every item, in order, as the results are asked for; zlib and numpy let threads run in parallel.

    Args:
        function: its exception is raised when its result is asked for.
        items: each is handed out once; items that no thread has begun are dropped when the caller stops asking.
        description: in front of the bar.
        unit: of the items, behind the bar's counts.
        num_workers: threads, at least 1; None: one for each processor, at most 4.
    """
    threads = min(MOST_THREADS, os.cpu_count() or 1) if num_workers is None else max(1, int(num_workers))
    pool = ThreadPoolExecutor(threads)
    try:
        yield from with_progress(pool.map(function, items), description, unit, len(items))
    finally:
        pool.shutdown(cancel_futures=True)
