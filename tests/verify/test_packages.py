"""Packages that the code needs and the metadata do not name."""

import pytest

from custom.errors import InputError
from custom.verify.bundle_folder import BundleFolder
from custom.verify.packages import at_once, check_packages, imported_modules

from ..bundle_copies import change_metadata


def test_only_what_is_imported_at_once_counts():
    source = (
        "import os, scipy.ndimage\nfrom torch import nn\nfrom .errors import InputError\nfrom ..data import x\n"
        "def late():\n    import highdicom\n"
    )
    assert at_once(source) == {"os", "scipy", "torch"}


def test_modules_of_the_projects_code(project, tmp_path):
    modules = imported_modules(BundleFolder(project / "bundles" / "batseg_spine", tmp_path))
    assert {"monai", "torch", "scipy", "nibabel", "ignite", "fire"} <= set(modules)
    assert not {"custom", "os", "jsonschema", "onnxruntime"} & set(modules)


def test_missing_packages_are_named_as_they_are_installed(copied, tmp_path):
    root = copied("batseg_spine")
    packages = BundleFolder(root, tmp_path).metadata["required_packages_version"]
    left = {name: version for name, version in packages.items() if name not in ("pytorch-ignite", "scipy")}
    change_metadata(root, required_packages_version=left)
    with pytest.raises(InputError, match=r"required_packages_version lacks (.*, )?pytorch-ignite, scipy; add"):
        check_packages(BundleFolder(root, tmp_path))
