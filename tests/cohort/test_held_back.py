"""Which classes of a pseudo-label are held back, by numbers that can be checked by eye."""

import pytest
import torch

from custom.cohort.held_back import Thresholds, class_agreement, held_back

LIVER, SPLEEN, TUMOUR = 1, 2, 3
ALL = (LIVER, SPLEEN, TUMOUR)


def reasons(thresholds, dice=None, confidence=None, agreement=None, lesions=(TUMOUR,)):
    return held_back(ALL, thresholds, dice or {}, confidence or {}, agreement or {}, lesions)


def test_without_thresholds_everything_is_filled():
    assert reasons(Thresholds(), {LIVER: 0.0}) == {}


def test_a_class_that_the_teacher_does_not_know_on_validation_cases():
    dice = {LIVER: 0.5, SPLEEN: 0.499, TUMOUR: None}
    assert reasons(Thresholds(min_dice=0.5), dice) == {SPLEEN: "validation Dice 0.50 below 0.5"}


def test_a_class_that_is_doubtful_or_missing_in_a_case():
    """A tumour that was not found may not be there; a spleen is."""
    found = reasons(Thresholds(min_class_confidence=0.7), confidence={LIVER: 0.69})
    assert found == {LIVER: "confidence below 0.7", SPLEEN: "not found"}
    found = reasons(Thresholds(min_class_confidence=0.7), confidence={LIVER: 0.7, SPLEEN: 0.7, TUMOUR: 0.3})
    assert found == {TUMOUR: "confidence below 0.7"}


def test_two_models_that_disagree():
    found = reasons(Thresholds(min_agreement=0.6), agreement={LIVER: 0.6, SPLEEN: 0.1})
    assert found == {SPLEEN: "agreement below 0.6"}, "both say that there is no tumour"


@pytest.mark.parametrize("size", [3, 8])
def test_agreement_is_dice_by_sets(size):
    one, other = torch.randint(0, 4, (2, size, size, size), generator=torch.Generator().manual_seed(size))
    found = class_agreement(one, other.numpy(), (1, 2, 3, 9))
    for number in (1, 2, 3):
        own, theirs = ({tuple(place) for place in (volume == number).nonzero().tolist()} for volume in (one, other))
        assert found[number] == pytest.approx(2 * len(own & theirs) / (len(own) + len(theirs)))
    assert 9 not in found, "in neither"
