"""Every lesion counts the same, in the region nearest to it; against the loss written out voxel by voxel."""

import numpy as np
import pytest
import torch

from custom.losses import ComponentDiceCELoss
from custom.losses.component_dice import component_dice_ce, nearest_components


def volume() -> torch.Tensor:
    """A large lesion of class 1, a small one of class 1 and one voxel of class 2."""
    label = torch.zeros(6, 8, 20, dtype=torch.long)
    label[1:5, 1:7, 1:8] = 1
    label[2:4, 2:4, 13:15] = 1
    label[0, 7, 19] = 2
    return label


def logits_of(label: torch.Tensor, certainty: float = 40.0) -> torch.Tensor:
    return certainty * torch.nn.functional.one_hot(label, 3).movedim(-1, 0).float()


def written_out(logits, label) -> float:
    """By hand: regions from the distances to every lesion voxel."""
    parts = {1: [(label == 1) & (torch.arange(20) < 10), (label == 1) & (torch.arange(20) >= 10)], 2: [label == 2]}
    lesions = [(class_id, mask) for class_id, masks in parts.items() for mask in masks]
    grid = np.argwhere(np.ones(label.shape))
    distances = [
        np.sqrt(((grid[:, None] - np.argwhere(mask.numpy())[None]) ** 2).sum(-1)).min(1) for _, mask in lesions
    ]
    nearest = np.argmin(distances, axis=0).reshape(label.shape)
    losses = []
    for number, (class_id, mask) in enumerate(lesions):
        region = torch.as_tensor(nearest == number)
        p, g = logits.softmax(0)[class_id][region], mask[region].float()
        cross_entropy = torch.nn.functional.cross_entropy(logits[:, region].T, label[region])
        losses.append(1 - (2 * (p * g).sum() + 1e-5) / (p.sum() + g.sum() + 1e-5) + cross_entropy)
    return float(torch.stack(losses).mean())


def test_perfect_is_zero():
    assert float(component_dice_ce(logits_of(volume()), volume())) == pytest.approx(0, abs=1e-5)


def test_a_missed_small_lesion_costs_as_much_as_a_missed_large_one():
    costs = []
    for box in (np.s_[:, :, :10], np.s_[:, :, 10:16]):
        predicted = volume()
        predicted[box] = 0
        logits = logits_of(predicted, 20.0)
        costs.append(float(component_dice_ce(logits, volume())))
        assert costs[-1] > 1 / 3, "the Dice of one of three lesions"
    plain = torch.nn.functional.cross_entropy(logits[None], volume()[None])
    assert plain < 0.2, "which the mean over voxels hardly notices"


def test_regions_by_hand():
    label = np.zeros((1, 1, 9), int)
    label[..., 1], label[..., 6], label[..., 7] = 1, 2, 2
    numbers, classes = nearest_components(label)
    assert numbers.ravel()[[0, 1, 2, 3]].tolist() == [0] * 4
    assert numbers.ravel()[[4, 5, 6, 7, 8]].tolist() == [1] * 5
    assert classes.tolist() == [1, 2]


def test_against_the_loss_written_out():
    label = volume()
    logits = torch.randn(3, *label.shape, generator=torch.Generator().manual_seed(0))
    # a voxel as near to two lesions may belong to either: there both say background
    assert float(component_dice_ce(logits, label)) == pytest.approx(written_out(logits, label), abs=0.02)


def test_without_lesion_any_foreground_costs_and_has_a_gradient():
    label = torch.zeros(4, 4, 4, dtype=torch.long)
    none, some = logits_of(label), logits_of(label)
    some[2, 0, 0, 0] = 60
    some.requires_grad_()
    assert float(component_dice_ce(none, label)) == pytest.approx(0, abs=1e-3)
    loss = component_dice_ce(some, label)
    assert float(loss) > 0.9
    loss.backward()
    assert some.grad[2, 0, 0, 0] > 0


def test_a_batch_is_the_mean_of_its_patches():
    label = torch.stack([volume(), volume().flip(2)])[:, None]
    logits = torch.randn(2, 3, *label.shape[2:], generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = ComponentDiceCELoss()(logits, label.float())
    single = [component_dice_ce(one, ids[0]) for one, ids in zip(logits, label, strict=True)]
    assert float(loss) == pytest.approx(float(sum(single) / 2))
    loss.backward()
    assert torch.isfinite(logits.grad).all()
