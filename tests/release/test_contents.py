"""What a release carries, and what stays at home."""

import ast
import re

import pytest

from custom.errors import InputError
from custom.release.contents import CODE, bundle_contents, code_contents

from ..bundle_copies import carry_code

NAMES_THE_PROJECT = re.compile(r"\bcustom\.[a-z_]|-m custom\b|\b(?:from|import) custom\b")


def test_data_output_weights_and_leftovers_stay_at_home(copied):
    root = copied("batseg_spine")
    carried = bundle_contents(root, "spine")
    for path in (
        "data/phantoms/imagesTr/a.nii.gz",
        "output/log.csv",
        "models/model.pt",
        "models/hippocampus/model.pt",
        "configs/.hidden.yaml",
        "configs/train.yaml~",
        "configs/.tmp_x_train.yaml",
        "docs/.README.md.swp",
        "eval/schema.json",
        "notes.txt",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("junk")
    assert bundle_contents(root, "spine") == carried
    assert {"LICENSE", "configs/train.yaml", "docs/README.md", "models/README.md"} <= carried.keys()


def test_code_is_whole_and_nothing_in_it_names_another_package():
    code = code_contents("spine_1")
    modules = {file.relative_to(CODE).as_posix() for file in CODE.rglob("*.py")}
    kept = {path.removeprefix("spine_1/") for path in code if path.endswith(".py")}
    assert kept == {path for path in modules if not path.startswith("release/")}
    for path, content in code.items():
        text = content.decode()
        assert not NAMES_THE_PROJECT.search(text), path
        if path.endswith(".py"):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and node.level == 0:
                    assert node.module.split(".")[0] not in ("custom", "spine_1"), f"{path} imports by name"
                if isinstance(node, ast.Import):
                    imported = {name.name.split(".")[0] for name in node.names}
                    assert not imported & {"custom", "spine_1"}, f"{path} imports by name"


def test_configs_and_pages_name_the_carried_package(project):
    roots = [file.parents[1] for file in (project / "bundles").glob("*/configs/metadata.json")]
    assert len(roots) >= 2
    for root in roots:
        for path, content in bundle_contents(root, "spine_1").items():
            assert path.endswith(".png") or not NAMES_THE_PROJECT.search(content.decode()), path


def test_a_release_can_be_renamed_in_turn(copied):
    """Under the second name, it is the very copy that the project would have given that name."""
    root = copied("batseg_spine")
    expected = bundle_contents(root, "second_1") | code_contents("second_1")
    carry_code(root, "first_1")
    assert bundle_contents(root, "second_1") | code_contents("second_1", root / "first_1") == expected


def test_a_folder_that_is_no_bundle(tmp_path):
    with pytest.raises(InputError, match=r"configs/metadata\.json: no such config; correct its name, or pass"):
        bundle_contents(tmp_path, "spine")
