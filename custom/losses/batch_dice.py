"""Whether Dice may be that of a whole batch."""

from ..errors import InputError
from ..processes import world_size


def one_dice_per_batch(wanted: bool) -> bool:
    """The answer for the `batch` of a Dice loss, as wanted.

    Raises InputError: several processes share each batch, where it would be the Dice of each one's own patches.
    """
    if wanted and world_size() > 1:
        raise InputError(
            f"batch_dice true: {world_size()} processes share each batch, and each would take the Dice of its own "
            "patches; train in one process, or pass --batch_dice false"
        )
    return wanted
