"""Files that a bundle needs, and what must not be in them."""

import pytest

from custom.errors import InputError
from custom.verify.bundle_folder import BundleFolder
from custom.verify.files import check_files, check_personal_paths

from ..bundle_copies import carry_code


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


def test_personal_path_in_the_code_a_release_carries_and_beside_weights(copied, tmp_path):
    root = copied("batseg_spine")
    carry_code(root, "spine_1")
    bundle = BundleFolder(root, tmp_path)
    check_personal_paths(bundle)
    code = root / "spine_1" / "flags.py"
    written = code.read_text()
    code.write_text(f"{written}# as in /home/anna/x\n")
    with pytest.raises(InputError, match=r"spine_1/flags\.py, line \d+: /home/anna is a path"):
        check_personal_paths(bundle)
    code.write_text(written)
    (root / "models" / "training.json").write_text('{"dataset": "/mnt/scans"}')
    with pytest.raises(InputError, match=r"models/training\.json, line 1: /mnt/scans is a path"):
        check_personal_paths(bundle)
