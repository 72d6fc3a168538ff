import pytest

from custom.errors import InputError
from custom.losses import one_dice_per_batch


def test_several_processes_have_no_common_dice(monkeypatch):
    assert one_dice_per_batch(True)
    assert not one_dice_per_batch(False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not one_dice_per_batch(False)
    with pytest.raises(InputError, match="batch_dice true: 2 processes share each batch"):
        one_dice_per_batch(True)
