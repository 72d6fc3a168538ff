"""Unannotated classes: probabilities summed into background, and a gradient of exactly 0."""

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
    (merge_unannotated(logits, ANNOTATED).softmax(1) * weights).sum().backward()
    hidden = ~ANNOTATED
    assert torch.equal(logits.grad[hidden], torch.zeros_like(logits.grad[hidden]))
    for channel in (0, 1, 3):
        assert (logits.grad[0, channel] != 0).all()


def test_gradient_of_the_loss_in_the_others_is_that_of_the_summed_probabilities():
    """With the unannotated logits held fixed, autograd through the sum of probabilities gives the same."""
    logits = random_logits().double().requires_grad_()
    truth = torch.tensor([3, 0])
    merged = merge_unannotated(logits, ANNOTATED)
    assert merged.dtype == torch.float64
    ours = torch.autograd.grad(sum(-merged.log_softmax(1)[b, truth[b]].sum() for b in (0, 1)), logits)[0]
    fixed = torch.where(ANNOTATED.reshape(2, 4, 1, 1, 1), logits, logits.detach()).softmax(1)
    background = fixed[1, [0, 1, 2, 3]].sum(0)
    expected = torch.autograd.grad(-(fixed[0, 3].log().sum() + background.log().sum()), logits)[0]
    assert torch.allclose(ours, expected, atol=1e-12)


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
def test_both_options_agree_on_complete_labels(label, target):
    scales = [random_logits(4), random_logits(2)]
    complete = {"label": label, **target}
    assert torch.equal(loss_function("no_gradient")(scales, complete), loss_function("background")(scales, complete))


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
    with pytest.raises(InputError, match="unannotated is 'zero'; use 'background' or 'no_gradient'"):
        loss_function("zero")
    with pytest.raises(InputError, match=r"'annotated' has shape \(2, 3\) for logits of \(2, 4, 4, 4, 4\)"):
        merge_unannotated(random_logits(), ANNOTATED[:, :3])
