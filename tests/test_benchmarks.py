"""Every benchmark starts, and has the options that its docstring shows. What it measures is not run here."""

import importlib
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(file.stem for file in FOLDER.glob("*.py"))


def shown_options(script: str, docstring: str) -> set[str]:
    """The options of the commands that run `script` in its docstring."""
    commands = re.findall(rf"^    python benchmarks/{script}\.py((?:.*\\\n)*.*)", docstring, re.MULTILINE)
    assert commands, "the docstring shows no command"
    return {option for command in commands for option in re.findall(r"--\w+", command)}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_starts_with_the_options_it_shows(script, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER)
    module = importlib.import_module(script)
    monkeypatch.setattr("sys.argv", [script, "--help"])
    with pytest.raises(SystemExit) as stopped:
        module.main()
    assert stopped.value.code == 0
    listed = capsys.readouterr().out.replace(module.__doc__.strip(), "")
    assert shown_options(script, module.__doc__) <= set(re.findall(r"--\w+", listed))
