"""Names of the carried code."""

import pytest

from custom.release.package_name import package_name, renamed


def test_name_is_a_module_name_of_its_own_for_each_version():
    names = [package_name("batseg_spine", version) for version in ("0.1.0", "0.1.1", "1.0.0rc1")]
    assert names == ["batseg_spine_0_1_0", "batseg_spine_0_1_1", "batseg_spine_1_0_0rc1"]
    assert all(name.isidentifier() for name in names)


ODD = ["2024_hippocampus", "hip-1", "hip_1", "hip 1", "hip.1", "1", "_1", "hüfte", "hufte", "h_fte", "class"]


def test_bundles_called_otherwise_than_packages_have_importable_packages_of_their_own(tmp_path, monkeypatch):
    """Python itself imports each, of several in one process its own."""
    monkeypatch.syspath_prepend(tmp_path)
    names = [package_name(bundle, "9.9.9") for bundle in ODD]
    for bundle, name in zip(ODD, names, strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"BUNDLE = {bundle!r}\n")
    found = {}
    for name in names:
        exec(f"import {name}", found)
    assert [found[name].BUNDLE for name in names] == ODD
    assert package_name("hip-1", "0.1.0") == package_name("hip-1", "0.1.0")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  _target_: custom.networks.DistanceHead", "  _target_: spine.networks.DistanceHead"),
        ("  - $from custom.options.kinds import PATH", "  - $from spine.options.kinds import PATH"),
        ("  - $from custom import data", "  - $from spine import data"),
        ("  - $import custom\n  - $import os", "  - $import spine\n  - $import os"),
        ('"$import custom"', '"$import spine"'),
        ("  - $import custom as parts", "  - $import spine as parts"),
        (
            "import customs, import custom layers, from customs import",
            "import customs, import custom layers, from customs import",
        ),
        (">>> from custom.cohort.manifest import Cohort", ">>> from spine.cohort.manifest import Cohort"),
        ("see `custom.cohort.manifest`.", "see `spine.cohort.manifest`."),
        ("(python -m custom prepare_knight --help)", "(python -m spine prepare_knight --help)"),
        ('name="python -m custom"', 'name="python -m spine"'),
        ("a custom loss. Customs, custom.", "a custom loss. Customs, custom."),
        ("monai.custom.x customised.py tests/custom.py", "monai.custom.x customised.py tests/custom.py"),
    ],
)
def test_only_what_names_the_package_is_renamed(text, expected):
    assert renamed(text, "spine") == expected


def test_what_a_release_names_is_renamed_in_turn():
    text = "$import hip_0_1_0.data as data  # python -m hip_0_1_0 cohort, not custom.data or other_hip_0_1_0.data"
    renamed_text = "$import own_1.data as data  # python -m own_1 cohort, not custom.data or other_hip_0_1_0.data"
    assert renamed(text, "own_1", "hip_0_1_0") == renamed_text
