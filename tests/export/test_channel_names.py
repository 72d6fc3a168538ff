"""Names of classes as people see them."""

from custom.cohort.manifest import FLARE_CLASSES
from custom.export.channel_names import channel_name


def test_names_are_words_and_stay_distinct_in_lower_case():
    """MONAI Label finds labels by their lower-case names."""
    names = [channel_name(name) for name in FLARE_CLASSES]
    assert len({name.lower() for name in names}) == len(FLARE_CLASSES)
    assert not [name for name in names if "_" in name]
    assert channel_name("right_adrenal") == "right adrenal gland"
    assert channel_name("meningioma") == "meningioma"
