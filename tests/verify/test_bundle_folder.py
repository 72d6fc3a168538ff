"""A bundle's folder as the checks see it."""

import pytest

from custom.errors import InputError
from custom.release.contents import CODE
from custom.verify.bundle_folder import BundleFolder

from ..bundle_copies import carry_code


def test_configs_are_laid_over_one_another_and_changes_stay_with_the_asker(project, tmp_path):
    bundle = BundleFolder(project / "bundles" / "batseg_spine", tmp_path)
    parser = bundle.parser("train", "hippocampus", epochs=3)
    assert parser.get_parsed_content("class_names") == ["anterior", "posterior"]
    assert (parser["epochs"], parser["bundle_root"], parser["_meta_"]["name"]) == (
        3,
        str(bundle.root),
        bundle.metadata["name"],
    )
    parser["class_names"].append("third")
    again = bundle.parser("train", "hippocampus")
    assert again["class_names"] == ["anterior", "posterior"]
    assert again["epochs"] == 1000


def test_its_code_is_the_projects_or_the_one_it_carries(copied, tmp_path):
    root = copied("batseg_spine")
    (root / "scripts").mkdir()
    (root / "scripts" / "__init__.py").touch()
    bundle = BundleFolder(root, tmp_path)
    assert (bundle.package, bundle.code) == ("custom", CODE), "no config names the other package"
    carry_code(root, "spine_1")
    bundle = BundleFolder(root, tmp_path)
    assert (bundle.package, bundle.code) == ("spine_1", root / "spine_1")
    moved = root.rename(root.with_name("renamed by its user"))
    assert BundleFolder(moved, tmp_path).package == "spine_1"


def test_no_bundle(copied, tmp_path):
    with pytest.raises(InputError, match=r"no configs/metadata\.json: pass the folder of a bundle"):
        BundleFolder(tmp_path, tmp_path)
    root = copied("batseg_spine")
    (root / "configs" / "metadata.json").write_text("{")
    with pytest.raises(InputError, match=r"metadata\.json is no JSON"):
        _ = BundleFolder(root, tmp_path).metadata
