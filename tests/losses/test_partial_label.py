"""Unannotated classes: probabilities summed into background, and what gradient reaches them."""

import pytest
import torch
from monai.losses import DeepSupervisionLoss

from custom.errors import InputError
from custom.losses import IgnoringDiceCELoss, PartialLabelLoss, merge_unannotated, supervision_weights

ANNOTATED = torch.tensor([[True, True, False, True], [True, False, False, False]])


def random_logits(size=4, seed=0):
    return 3 * torch.randn(2, 4, size, size, size, generator=torch.Generator().manual_seed(seed))


def loss_function(unannotated):
    levels = DeepSupervisionLoss(IgnoringDiceCELoss(), weights=supervision_weights(2))
    return PartialLabelLoss(levels, unannotated)


@pytest.fixture
def label():
    """Every case holds its annotated classes only, and some ignored voxels."""
    values = torch.randint(0, 2, (2, 1, 4, 4, 4), generator=torch.Generator().manual_seed(1)).float()
    values[0] *= 3
    values[1] = 0
    values[..., 0] = 255
    return values


def test_probabilities_are_summed_into_background():
    before = random_logits().softmax(1)
    after = merge_unannotated(random_logits(), ANNOTATED).softmax(1)
    assert torch.allclose(after[0, 0], before[0, 0] + before[0, 2], atol=1e-6)
    assert torch.allclose(after[0, [1, 3]], before[0, [1, 3]], atol=1e-6)
    assert torch.equal(after[0, 2], torch.zeros_like(after[0, 2])), "exactly"
    assert torch.equal(after[1, 0], torch.ones_like(after[1, 0]))
    assert torch.equal(after[1, 1:], torch.zeros_like(after[1, 1:]))


def test_by_hand():
    """Odds 1 : 2 : 5, the last unannotated: 6 : 2."""
    logits = torch.log(torch.tensor([1.0, 2.0, 5.0])).reshape(1, 3, 1)
    after = merge_unannotated(logits, torch.tensor([[True, True, False]])).softmax(1)
    assert after.flatten().tolist() == pytest.approx([0.75, 0.25, 0])


def test_complete_annotation_changes_no_bit():
    assert torch.equal(merge_unannotated(random_logits(), torch.ones(2, 4, dtype=torch.bool)), random_logits())


def test_background_is_annotated_whatever_the_mask_says():
    without = ANNOTATED.clone()
    without[:, 0] = False
    assert torch.equal(merge_unannotated(random_logits(), without), merge_unannotated(random_logits(), ANNOTATED))


def test_gradient_of_an_unannotated_logit_is_exactly_zero_and_of_the_others_not():
    logits = random_logits().requires_grad_()
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
    (merge_unannotated(logits, ANNOTATED, detached=True).softmax(1) * weights).sum().backward()
    hidden = ~ANNOTATED
    assert torch.equal(logits.grad[hidden], torch.zeros_like(logits.grad[hidden]))
    for channel in (0, 1, 3):
        assert (logits.grad[0, channel] != 0).all()


@pytest.mark.parametrize("detached", [False, True])
def test_gradient_of_the_loss_is_that_of_the_summed_probabilities(detached):
    """By brute force: probabilities of every voxel are summed one by one, unannotated logits constant or not."""
    logits = random_logits().double().requires_grad_()
    truth = torch.tensor([3, 0])
    merged = merge_unannotated(logits, ANNOTATED, detached)
    assert merged.dtype == torch.float64
    ours = torch.autograd.grad(sum(-merged.log_softmax(1)[b, truth[b]].sum() for b in (0, 1)), logits)[0]
    constant = ~ANNOTATED.reshape(2, 4, 1, 1, 1) & detached
    fixed = torch.where(constant, logits.detach(), logits).softmax(1)
    background = fixed[1, [0, 1, 2, 3]].sum(0)
    expected = torch.autograd.grad(-(fixed[0, 3].log().sum() + background.log().sum()), logits)[0]
    assert torch.allclose(ours, expected, atol=1e-12)


def test_marginal_loss_by_hand():
    """Odds 1 : 2 : 5 of background, liver and an unannotated spleen.

    In a liver voxel, p = 1/8, 2/8, 5/8, cross-entropy pushes background and spleen down by their probabilities. In a
    background voxel, where "background or spleen" has 6/8, both gain their part of what is lacking: 1/6, 5/6 of 2/8.
    """
    for truth, expected in ((1, [1 / 8, -6 / 8, 5 / 8]), (0, [-2 / 8 / 6, 2 / 8, -5 * 2 / 8 / 6])):
        logits = torch.log(torch.tensor([1.0, 2.0, 5.0])).reshape(1, 3, 1).requires_grad_()
        merged = merge_unannotated(logits, torch.tensor([[True, True, False]]))
        torch.nn.functional.cross_entropy(merged, torch.tensor([[truth]])).backward()
        assert logits.grad.flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_marginal_loss_teaches_a_class_where_it_cannot_be(label):
    """A step down lowers the unannotated class in a voxel of another class; without gradient it stays."""
    for option, moves in (("marginal", True), ("no_gradient", False)):
        logits = random_logits().requires_grad_()
        loss_function(option)([logits, random_logits(2)], {"label": label, "annotated": ANNOTATED}).backward()
        inside = logits.grad[0, 2][label[0, 0] == 3]
        assert len(inside) and bool((inside > 0).all()) == moves and bool((inside == 0).all()) != moves


@pytest.mark.parametrize("batch", [False, True])
def test_dice_of_an_unannotated_class_is_a_constant_and_the_others_are_those_of_merged_probabilities(label, batch):
    """Against Dice summed by hand over the cases that are annotated for a class, of the batch or of each case."""
    logits, annotated = random_logits(), ANNOTATED
    loss = PartialLabelLoss(IgnoringDiceCELoss(batch=batch), "marginal")
    total = float(loss(logits, {"label": label, "annotated": annotated}))
    valid, p = (label[:, 0] != 255).double(), logits.double().softmax(1)
    entropy, dice = 0.0, torch.zeros(2, 3, 3)  # sums (case, class, kind)
    for case in (0, 1):
        hidden = [c for c in (1, 2, 3) if not annotated[case, c]]
        for c in range(4):
            truth = (label[case, 0] == c) & (valid[case] > 0)
            merged = p[case, 0] + p[case, hidden].sum(0) if c == 0 else p[case, c]
            entropy -= float((merged.log() * truth).sum())
            if c and c not in hidden:
                dice[case, c - 1] = torch.stack([(merged * truth).sum(), (merged * valid[case]).sum(), truth.sum()])
    sums = dice.sum(0, keepdim=True) if batch else dice
    each = 1 - (2 * sums[..., 0] + 1e-5) / (sums[..., 1] + sums[..., 2] + 1e-5)
    assert total == pytest.approx(entropy / float(valid.sum()) + float(each.mean()), abs=1e-4)


def test_half_precision_logits_are_merged_in_single_precision():
    """The sum of exponentials of 200 overflows half precision, and 200 + log 3 is rounded to eighths there."""
    logits = torch.full((1, 4, 2), 200.0, dtype=torch.float16)
    logits[0, :, 1] = -200
    merged = merge_unannotated(logits, torch.tensor([[True, True, False, False]]))
    assert merged.dtype == torch.float32
    assert merged[0, 0].tolist() == pytest.approx([200 + 1.0986123, -200 + 1.0986123], rel=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(merge_unannotated(logits, torch.tensor([[True, True, False, False]])), merged)


@pytest.mark.parametrize("sizes", [(4, 2), (4,)])
def test_unannotated_class_gets_exactly_zero_gradient_from_the_loss(label, sizes):
    scales = [random_logits(size).requires_grad_() for size in sizes]
    loss = PartialLabelLoss(DeepSupervisionLoss(IgnoringDiceCELoss(), weights=[1.0, 1.0]), "no_gradient")
    loss(scales if len(sizes) > 1 else scales[0], {"label": label, "annotated": ANNOTATED}).backward()
    for scale in scales:
        hidden = scale.grad[~ANNOTATED]
        assert torch.equal(hidden, torch.zeros_like(hidden))
        assert scale.grad[0, [0, 1, 3]].abs().sum() > 0


def test_background_option_pushes_the_unannotated_class_down(label):
    logits = random_logits().requires_grad_()
    loss = loss_function("background")([logits, random_logits(2)], {"label": label, "annotated": ANNOTATED})
    assert torch.equal(loss, loss_function("background")([logits, random_logits(2)], {"label": label}))
    loss.backward()
    assert (logits.grad[0, 2, ..., 1:] > 0).all(), "descent lowers the class where the label is background"


@pytest.mark.parametrize("target", [{}, {"annotated": torch.ones(2, 4)}])
def test_all_options_agree_on_complete_labels(label, target):
    scales = [random_logits(4), random_logits(2)]
    complete = {"label": label, **target}
    for option in ("marginal", "no_gradient"):
        assert torch.equal(loss_function(option)(scales, complete), loss_function("background")(scales, complete))


def test_label_of_an_unannotated_class_is_background(label):
    scales = [random_logits(4), random_logits(2)]
    stray = label.clone()
    stray[0, 0, 0, 0, 1], stray[1, 0, 0, 0, 1] = 2, 3
    clean = stray.clone()
    clean[:, 0, 0, 0, 1] = 0
    losses = [loss_function("no_gradient")(scales, {"label": one, "annotated": ANNOTATED}) for one in (stray, clean)]
    assert torch.equal(losses[0], losses[1])
    assert stray[0, 0, 0, 0, 1] == 2, "the batch is not touched"


def test_term_for_the_log_is_the_loss(label):
    loss = loss_function("no_gradient")
    total = loss([random_logits(4), random_logits(2)], {"label": label, "annotated": ANNOTATED})
    assert loss.terms == {"segmentation": total}


def test_unusable_options_are_refused(label):
    with pytest.raises(InputError, match="unannotated is 'zero'; use one of background, marginal, no_gradient"):
        loss_function("zero")
    with pytest.raises(InputError, match=r"'annotated' has shape \(2, 3\) for logits of \(2, 4, 4, 4, 4\)"):
        merge_unannotated(random_logits(), ANNOTATED[:, :3])
