"""Names of the carried code."""

import pytest

from custom.release.code_name import package_name, renamed


def test_name_is_a_module_name_of_its_own_for_each_version():
    names = [package_name("batseg_spine", version) for version in ("0.1.0", "0.1.1", "1.0.0rc1")]
    assert names == ["batseg_spine_0_1_0", "batseg_spine_0_1_1", "batseg_spine_1_0_0rc1"]
    assert all(name.isidentifier() for name in names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  _target_: custom.networks.DistanceDynUNet", "  _target_: spine.networks.DistanceDynUNet"),
        ("  - $from custom.flags import is_on", "  - $from spine.flags import is_on"),
        (">>> from custom.data.cohort import Cohort", ">>> from spine.data.cohort import Cohort"),
        ("see `custom.data.cohort`.", "see `spine.data.cohort`."),
        ("(python -m custom prepare_knight --help)", "(python -m spine prepare_knight --help)"),
        ('name="python -m custom"', 'name="python -m spine"'),
        ("a custom loss. Customs, custom.", "a custom loss. Customs, custom."),
        ("monai.custom.x customised.py tests/custom.py", "monai.custom.x customised.py tests/custom.py"),
    ],
)
def test_only_what_names_the_package_is_renamed(text, expected):
    assert renamed(text, "spine") == expected
