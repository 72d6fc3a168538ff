"""Pages that are unfinished or show what does not exist."""

import pytest

from custom.errors import InputError
from custom.verify.bundle_folder import BundleFolder
from custom.verify.documentation import check_command, check_commands, check_sections


def test_sections_and_leftovers(copied, tmp_path):
    root = copied("batseg_spine")
    page = root / "docs" / "README.md"
    text = page.read_text()
    page.write_text(text.replace("# Performance", "# Results"))
    with pytest.raises(InputError, match="it needs, in order, Model Overview"):
        check_sections(BundleFolder(root, tmp_path))
    page.write_text(f"{text}\nTODO: scores\n")
    with pytest.raises(InputError, match="'TODO' waits to be filled in"):
        check_sections(BundleFolder(root, tmp_path))


RUN = "python -m monai.bundle run --config_file configs/train.yaml"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"{RUN} --epoch 3", "--epoch is no option"),
        (f"{RUN.replace('train', 'training')} --epochs 3", r"there is no configs/training\.yaml"),
        ("python -m monai.bundle start", "monai.bundle has no command start"),
        ("python -m custom prepare", "custom has no command prepare"),
        ("python -m custom prepare_knight --kits x", "--kits is no option"),
        ("python -m other cohort", "code is called custom, not other"),
        ("python train.py", "no module is run"),
        (f'python -m custom measure --cases 1 "{RUN} --epoch 3"', "--epoch is no option"),
    ],
)
def test_commands_that_cannot_work(project, tmp_path, command, said):
    bundle = BundleFolder(project / "bundles" / "batseg_spine", tmp_path)
    with pytest.raises(InputError, match=said):
        check_command(bundle, command)


@pytest.mark.parametrize(
    "command",
    [
        f"{RUN} --epochs 3 --train#trainer#max_epochs 2 --run_id run",
        f"torchrun --standalone --nproc_per_node 2 {RUN.removeprefix('python ')} --fold 0",
        f'python -m custom measure --cases 1 "{RUN} --epochs 3"',
        'python -m monai.bundle run --config_file "[$overlays]" --fold $fold',
        "python -m monai.bundle ckpt_export network_def --filepath x.ts --config_file configs/inference.yaml",
    ],
)
def test_commands_that_can(project, tmp_path, command):
    check_command(BundleFolder(project / "bundles" / "batseg_spine", tmp_path), command)


def test_the_fault_is_told_with_its_file_and_command(copied, tmp_path):
    root = copied("batseg_spine")
    config = root / "configs" / "knight.yaml"
    config.write_text(config.read_text().replace("--dataset_dir", "--data_dir"))
    with pytest.raises(InputError, match=r"configs/knight\.yaml: `python -m monai.*`: --data_dir is no option"):
        check_commands(BundleFolder(root, tmp_path))
