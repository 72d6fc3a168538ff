"""Commands taken from pages and configs."""

from pathlib import Path

import pytest

from custom.verify import documented
from custom.verify.documented import (
    blocks,
    commands,
    config_names,
    header_commands,
    missing_package,
    with_overlays,
    with_paths,
)

PAGE = """# Page

```bash
python -m monai.bundle run --config_file configs/train.yaml --dataset_dir /path/to/dataset
```

```bash
pip install x
```

```bash
for fold in 0 1; do
    torchrun --standalone -m monai.bundle run \\
        --config_file "['configs/train.yaml','configs/multi_gpu_train.yaml']" --fold $fold
done
```
"""
CONFIG = """# An overlay:
#
#   python -m custom cohort --source /path/to/x \\
#       --output y
#   python -m monai.bundle run --config_file "['configs/train.yaml','configs/big.yaml']"
# and more words.

# python -m not.this
epochs: 1
"""


def test_blocks_and_single_commands(tmp_path):
    (tmp_path / "page.md").write_text(PAGE)
    first, loop = blocks(tmp_path / "page.md")
    assert commands(first) == [first.strip()]
    (command,) = commands(loop)
    assert command.startswith("torchrun --standalone -m monai.bundle run --config_file")
    assert config_names(command) == ("train", "multi_gpu_train")


def test_commands_in_the_head_of_a_config(tmp_path):
    (tmp_path / "big.yaml").write_text(CONFIG)
    assert header_commands(tmp_path / "big.yaml") == [
        "python -m custom cohort --source /path/to/x --output y",
        "python -m monai.bundle run --config_file \"['configs/train.yaml','configs/big.yaml']\"",
    ]


def test_overlays_go_to_the_end_of_the_list_that_they_are_for():
    overlays = {"": Path("a.yaml"), "demo": Path("b.yaml")}
    single = "run --config_file configs/train.yaml --x 1"
    assert with_overlays(single, overlays) == "run --config_file \"['configs/train.yaml','a.yaml']\" --x 1"
    several = "run --config_file \"['configs/train.yaml','configs/demo.yaml']\""
    assert with_overlays(several, overlays).endswith("'configs/demo.yaml','b.yaml']\"")
    quoted = 'python -m custom measure "run --config_file configs/train.yaml"'
    assert with_overlays(quoted, overlays).endswith(r"""--config_file \"['configs/train.yaml','a.yaml']\"" """.rstrip())


def test_only_whole_placeholders_are_replaced():
    filled = with_paths("/path/to/data /path/to/dataset /path/to/data.json", {"data": Path("/x")})
    assert filled == "/x /path/to/dataset /path/to/data.json"


@pytest.mark.parametrize(("words", "package"), [("configs/inference_trt.yaml", "no_such_trt"), ("train", "")])
def test_packages_that_a_command_needs(monkeypatch, words, package):
    monkeypatch.setitem(documented.OPTIONAL, "trt", "no_such_trt")
    assert missing_package(words) == package
