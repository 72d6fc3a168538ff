"""The batch as network and loss take it."""

import torch

from custom.engines import prepare_training_batch


def test_targets_present_and_no_others():
    batch = {key: torch.rand(2, 1, 4) for key in ("image", "label", "surface_distance", "other")}
    image, targets = prepare_training_batch(batch, device="cpu", non_blocking=False, dtype=torch.float64)
    assert image.dtype == torch.float64
    assert set(targets) == {"label", "surface_distance"}
    batch["annotated"] = torch.tensor([[True, False], [True, True]])
    targets = prepare_training_batch(batch)[1]
    assert targets["annotated"].tolist() == [[True, False], [True, True]]
    del batch["surface_distance"], batch["annotated"]
    assert set(prepare_training_batch(batch)[1]) == {"label"}
