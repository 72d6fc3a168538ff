"""Dice + cross-entropy without the ignored voxels: equal to MONAI's, blind to what is ignored, never nan."""

import pytest
import torch
from monai.losses import DeepSupervisionLoss, DiceCELoss

from custom.errors import InputError
from custom.ignore_index import IGNORE_INDEX
from custom.losses import IgnoringDiceCELoss, supervision_weights
from custom.losses.ignoring_dice_ce import mean_cross_entropy

DICE_CE = DiceCELoss(include_background=False, softmax=True, to_onehot_y=True, smooth_nr=1e-5, smooth_dr=1e-5)


@pytest.fixture
def logits():
    return torch.randn(2, 4, 6, 7, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.fixture
def label():
    return torch.randint(0, 4, (2, 1, 6, 7, 5), generator=torch.Generator().manual_seed(1)).float()


def gradient(value, variable):
    return torch.autograd.grad(value, variable, retain_graph=True)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.int64])
def test_equals_monai_where_nothing_is_ignored(logits, label, dtype):
    ours, monais = IgnoringDiceCELoss()(logits, label.to(dtype)), DICE_CE(logits, label.to(dtype))
    assert ours.item() == pytest.approx(monais.item(), rel=1e-6)
    assert torch.allclose(gradient(ours, logits), gradient(monais, logits), rtol=1e-5, atol=1e-9)


def test_equals_monai_on_the_other_voxels_alone(logits, label):
    """The last planes are ignored: the loss is that of the volume without them."""
    partly = label.clone()
    partly[..., 3:] = 255
    ours, cut = IgnoringDiceCELoss()(logits, partly), DICE_CE(logits[..., :3], label[..., :3])
    assert ours.item() == pytest.approx(cut.item(), rel=1e-6)
    assert torch.allclose(gradient(ours, logits)[..., :3], gradient(cut, logits)[..., :3], rtol=1e-5, atol=1e-9)


def test_ignored_voxels_have_no_gradient_and_their_logits_no_say(logits, label):
    ignored = torch.rand(label.shape, generator=torch.Generator().manual_seed(2)) < 0.3
    label = label.masked_fill(ignored, 255)
    loss = IgnoringDiceCELoss()(logits, label)
    pull = gradient(loss, logits)
    assert torch.equal(pull.masked_select(ignored), torch.zeros(4 * int(ignored.sum())))
    assert (pull.abs().sum(1, keepdim=True)[~ignored] > 0).all()
    changed = torch.where(ignored, 50 * torch.randn_like(logits), logits)
    assert torch.equal(IgnoringDiceCELoss()(changed, label), loss)


def test_weights_of_one_change_nothing_and_a_weight_of_two_counts_a_voxel_twice(logits, label):
    alike = IgnoringDiceCELoss(class_weights=[1, 1, 1, 1])(logits, label)
    assert alike.item() == pytest.approx(IgnoringDiceCELoss()(logits, label).item(), rel=1e-6)
    label[..., 3:] = 255
    dice = IgnoringDiceCELoss().dice(logits, label, mask=label != 255)
    valid = label[:, 0] != 255
    ids, voxels = label[:, 0][valid].long(), logits.movedim(1, -1)[valid]
    twice = torch.cat([ids, ids[ids == 2]]), torch.cat([voxels, voxels[ids == 2]])
    by_hand = dice + torch.nn.functional.cross_entropy(twice[1], twice[0])
    assert IgnoringDiceCELoss(class_weights=[1, 1, 2, 1])(logits, label).item() == pytest.approx(
        by_hand.item(), rel=1e-6
    )


def test_weights_without_a_valid_voxel_and_too_few_of_them(logits, label):
    loss = IgnoringDiceCELoss(class_weights=[1, 2, 3, 4])(logits, torch.full_like(label, 255))
    assert loss.isfinite() and gradient(loss, logits).abs().max() == 0
    with pytest.raises(InputError, match="class_weights are 3 numbers for 4 classes; give one for each"):
        IgnoringDiceCELoss(class_weights=[1, 2, 3])(logits, label)


def test_cross_entropy_by_hand():
    """Two voxels with p(true) 3/4 and 1/4; the second is ignored. Dice of class 1, absent from the label's rest: 1."""
    logits = torch.log(torch.tensor([[[0.75, 0.75], [0.25, 0.25]]])).reshape(1, 2, 2, 1, 1)
    label = torch.tensor([0.0, 255.0]).reshape(1, 1, 2, 1, 1)
    dice = 1 - 1e-5 / (0.25 + 1e-5)
    assert IgnoringDiceCELoss()(logits, label).item() == pytest.approx(dice - torch.log(torch.tensor(0.75)).item())


def test_everything_ignored_is_zero_with_zero_gradient(logits, label):
    loss = IgnoringDiceCELoss()(logits, torch.full_like(label, 255))
    assert loss.item() == 0
    assert torch.equal(gradient(loss, logits), torch.zeros_like(logits))


def test_one_case_wholly_ignored_leaves_the_other_its_cross_entropy(logits, label):
    label[0] = 255
    pull = gradient(IgnoringDiceCELoss()(logits, label), logits)
    assert torch.equal(pull[0], torch.zeros_like(pull[0]))
    assert torch.isfinite(pull).all()
    assert pull[1].abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_deep_supervision_sees_the_ignored_voxels_at_every_scale(dtype):
    generator = torch.Generator().manual_seed(0)
    scales = [torch.randn(2, 3, size, size, size, generator=generator, requires_grad=True) for size in (8, 4, 2)]
    label = torch.randint(0, 3, (2, 1, 8, 8, 8), generator=generator).to(dtype)
    label[..., :4] = 255
    weights = [*supervision_weights(3)[:2], 0.5]
    total = DeepSupervisionLoss(IgnoringDiceCELoss(), weights=weights)(scales, label)
    levels = [label, label[:, :, 1::2, 1::2, 1::2], label[:, :, 2::4, 2::4, 2::4]]
    expected = sum(w * IgnoringDiceCELoss()(s, one) for w, s, one in zip(weights, scales, levels, strict=True))
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    for scale in scales:
        pull = gradient(total, scale)
        half = scale.shape[-1] // 2
        assert torch.equal(pull[..., :half], torch.zeros_like(pull[..., :half]))
        assert pull[..., half:].abs().sum() > 0


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 3.0, 0.5, 2.0])])
def test_a_voxel_weighs_the_same_in_several_processes(logits, label, weights, monkeypatch):
    """Each takes one patch, of which one has hardly a valid voxel; their gradients are averaged."""
    label = label[:, 0].long()
    label[1, ..., 1:] = IGNORE_INDEX
    whole = logits.detach().clone().requires_grad_()
    mean_cross_entropy(whole, label, weights).backward()
    denominators = []

    def shared(own):
        denominators.append(own.clone())
        return total if len(denominators) > 2 else own

    monkeypatch.setattr("custom.losses.ignoring_dice_ce.idist.all_reduce", shared)
    for one in (0, 1):
        mean_cross_entropy(logits[[one]], label[[one]], weights)
    total = sum(denominators)
    monkeypatch.setattr("custom.losses.ignoring_dice_ce.world_size", lambda: 2)
    parts = logits.detach().clone().requires_grad_()
    losses = [mean_cross_entropy(parts[[one]], label[[one]], weights) for one in (0, 1)]
    (sum(losses) / 2).backward()
    assert torch.allclose(parts.grad, whole.grad)
