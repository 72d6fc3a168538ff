"""Commands of the page that fail."""

import pytest

from custom.errors import InputError
from custom.verify.bundle_folder import BundleFolder
from custom.verify.runs import check_runs, copy_of, is_simple, runnable_commands

from ..bundle_copies import carry_code


def page_with(root, command):
    (root / "docs" / "README.md").write_text(f"```bash\n{command}\n```\n")


def test_a_command_that_fails_is_told_with_its_reason(copied, tmp_path):
    root = copied("batseg_spine")
    page_with(root, "python -m monai.bundle run --config_file configs/inference.yaml --dataset_dir /path/to/scans")
    with pytest.raises(InputError, match=r"docs/README\.md: `python -m monai.bundle run .*` fails: no trained weights"):
        check_runs(BundleFolder(root, tmp_path))
    assert not (root / "output").exists(), "nothing is written into the bundle"


@pytest.mark.parametrize(
    ("command", "simple"),
    [
        ("python -m monai.bundle run --fold 0", True),
        ("torchrun -m monai.bundle run", False),
        ("python -m monai.bundle run --fold $fold", False),
        ("python -m monai.bundle run --config_file configs/inference_exported.yaml", False),
    ],
)
def test_what_one_process_can_run(command, simple):
    assert is_simple(command) == simple


def test_commands_on_foreign_data_are_left_out(copied, tmp_path):
    root = copied("batseg_spine")
    run = "python -m monai.bundle run --config_file configs/train.yaml --dataset_dir"
    page_with(root, f"{run} /path/to/dataset\n{run} /path/to/somewhere")
    (command,) = runnable_commands(BundleFolder(root, tmp_path))
    assert "/path/to" not in command and "small_train.yaml" in command


def test_a_copy_has_the_code_that_the_bundle_carries(copied, tmp_path):
    root = copied("batseg_spine")
    carry_code(root, "spine_1")
    assert (copy_of(BundleFolder(root, tmp_path)) / "spine_1" / "networks" / "__init__.py").exists()
