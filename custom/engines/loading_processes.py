"""How the processes that load scans start."""

import multiprocessing

FORK, FORK_SERVER = "fork", "forkserver"


def loading_context(num_workers: int) -> str | None:
    """The `multiprocessing_context` of a `DataLoader`: Python's default way of the system, but no fork server.

    MONAI's `Invertd` recognises the transforms that a scan has gone through by their identity, in spawned processes
    (macOS, Windows) by their name; it does not know those of a fork server, the default of Python 3.14 on Linux.
    """
    # asking without `allow_none` would fix the way for the whole program
    way = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    return FORK if num_workers and way == FORK_SERVER else None
