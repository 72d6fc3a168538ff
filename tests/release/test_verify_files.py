"""Files that a bundle needs, and what must not be in them."""

import pytest

from custom.errors import InputError
from custom.release.bundle_folder import BundleFolder
from custom.release.verify_files import check_files, check_personal_paths


def test_missing_and_empty_files(copied, tmp_path):
    root = copied("batseg_spine")
    (root / "LICENSE").unlink()
    (root / "docs" / "data_license.txt").write_text("")
    with pytest.raises(InputError, match=r"^LICENSE, docs/data_license\.txt: missing or empty"):
        check_files(BundleFolder(root, tmp_path))


def test_personal_path(copied, tmp_path):
    root = copied("batseg_spine")
    with (root / "docs" / "README.md").open("a") as page:
        page.write("\nsee /Users/anna/scans")
    with pytest.raises(InputError, match=r"docs/README\.md, line \d+: /Users/anna is a path"):
        check_personal_paths(BundleFolder(root, tmp_path))
