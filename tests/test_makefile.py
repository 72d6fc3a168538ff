"""What make says before it installs anything, and that it works below a folder with a blank in its name."""

import os
import shutil
import subprocess

import pytest


@pytest.fixture
def made(project, tmp_path):
    """Runs make in a copy of what its targets look at, in a folder with a blank."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    place = tmp_path / "my projects"
    (place / "bundles" / "b" / "models" / "boxes").mkdir(parents=True)
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "constraints.txt"):
        shutil.copy(project / name, place)

    def make(*arguments: str) -> subprocess.CompletedProcess[str]:
        makes_own = ("MAKE", "MFLAGS", "GNUMAKE")  # of the make that may run the tests
        alone = {name: value for name, value in os.environ.items() if not name.startswith(makes_own)}
        return subprocess.run(["make", *arguments], cwd=place, env=alone, capture_output=True, text=True, check=False)

    return make


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["serve", "MODEL=boxes"], "error: pass SCANS=FOLDER, the scans to label"),
        (["serve", "MODEL=boxes", "SCANS=/no such"], "error: /no such is no folder: pass SCANS=FOLDER"),
        (["serve", "MODEL=other", "SCANS=."], "error: there is no model other in bundles/*/models"),
        (["try", "SCAN=/no such.nii.gz"], "error: /no such.nii.gz does not exist: pass SCAN=FILE_OR_FOLDER"),
    ],
)
def test_refused_before_anything_is_installed(made, arguments, line):
    result = made(*arguments)
    assert result.returncode
    assert line in result.stdout
    assert "installing" not in result.stdout


@pytest.mark.parametrize("target", ["try", "demo", "demo-flare", "docs", "test", "lint", "verify", "release"])
def test_programs_are_found_below_a_folder_with_a_blank(made, target):
    """Each line that names the environment's folder quotes it: without the quotes the shell sees no blank."""
    said = made("-n", target, "PYTHON=true").stdout
    assert "my projects/.venv/bin/python" in said
    for line in said.splitlines():
        unquoted = "".join(line.split('"')[::2])
        assert "my projects" not in unquoted, line


def test_python_without_the_packages_says_so(project, tmp_path):
    (tmp_path / "fire.py").write_text("raise ModuleNotFoundError('fire', name='fire')")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import runpy; runpy.run_module('custom')"
    result = subprocess.run(
        [shutil.which("python3") or "python3", "-c", program], cwd=project, capture_output=True, text=True, check=False
    )
    assert result.stderr.splitlines() == [
        "error: this Python has not the project's packages: source .venv/bin/activate, or pip install -e ."
    ]
