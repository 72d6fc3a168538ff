"""`python -m custom COMMAND`: what is typed arrives as it is meant, or is refused in one line."""

import itertools
from pathlib import Path

import pytest
from fire.core import _ParseKeywordArgs
from fire.inspectutils import FullArgSpec

from custom.__main__ import COMMANDS, main
from custom.errors import InputError
from custom.options.command_line import call, options_of, split_arguments
from custom.options.kinds import PATH

from ..odd_values import ODD_VALUES


@pytest.mark.parametrize(
    "line",
    [
        *(["--a", "1"], ["--a=1=2"], ["-a", "1"], ["--a-b", "c"], ["--a"], ["--a", "--b"], ["--noa"], ["--no-a"]),
        *(["--a", "-1"], ["--a", "-x"], ["x", "--a", "1", "y"], ["--a", ""], ["--a="], ["-1"], ["--notes", "z"], ["-"]),
    ],
)
def test_a_line_is_taken_apart_as_fire_does(line):
    named, _, alone = _ParseKeywordArgs(line, FullArgSpec(varkw="options"))
    assert split_arguments(line) == (named, alone)


def test_values_in_order_and_by_name():
    def command(folder: str | Path, count: int = 3, name: str = "", names: str | list[str] | None = None) -> tuple:
        return folder, count, name, names

    functions = {"command": command}
    assert call("command", functions, {"name": "2026_01_15"}, ["7", "1e1"]) == ("7", 10, "2026_01_15", None)
    assert call("command", functions, {"folder": "x", "names": "a, 007", "count": None}) == ("x", 3, "", ["a", "007"])
    assert call("command", functions, {"f": "x", "c": "4"})[:2] == ("x", 4)
    with pytest.raises(InputError, match="command has no option --n"):
        call("command", functions, {"f": "x", "n": "y"})  # name or names
    with pytest.raises(
        InputError, match=r"command: --folder y is given as 'x' as well; python -m custom command --help"
    ):
        call("command", functions, {"f": "y"}, ["x"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["plam"], "there is no command 'plam' (did you mean plan?): abdomen_phantoms, cohort"),
        (["plan", "--dataset", "x"], "plan has no option --dataset (did you mean dataset_dir?); python -m custom plan"),
        (["plan", "--dataset_dir", "x"], "plan needs --output; python -m custom plan --help explains it"),
        (["plan", "x", "y", "--memory_gb", "much"], "--memory_gb much: pass a number"),
        (["plan", "x", "y", "--num_workers", "1.5"], "--num_workers 1.5: pass a whole number of at least 0, or null"),
        (["options", "x", "y", "z"], "options: 'z' belongs to no option; python -m custom options --help"),
        (["options", "/nowhere"], "/nowhere/configs holds no configs: pass the folder of a bundle"),
        (["prepare_knight", "a", "b", "c", "--copy_images", "perhaps"], "--copy_images perhaps: pass true or false"),
        (["spine_phantoms", "x", "--extent_mm", "3"], "--extent_mm 3: pass a list of 2 of: number"),
    ],
)
def test_mistakes_are_one_line(line, said):
    with pytest.raises(InputError) as error:
        main(line)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_odd_value_is_more_than_a_line_or_other_than_meant(command, monkeypatch):
    """Every option of every command with every odd value; the command itself is left out."""
    monkeypatch.setenv("HOME", "/home/someone")
    for option, text in itertools.product(options_of(COMMANDS[command]).values(), ODD_VALUES):
        try:
            meant = option.checked(text)
        except InputError as error:
            assert str(error).startswith(f"--{option.name} ")
            assert "\n" not in str(error)
            continue
        if option.kind is PATH and text[:1] not in ("'", '"', "~"):
            assert meant == text


def test_every_bundle_lists_its_options(project, capsys):
    for name in ("batseg_spine", "flare_pseudolabel"):
        main(["options", str(project / "bundles" / name)])
        said = capsys.readouterr().out
        for config in ("train", "evaluate", "inference"):
            assert f"{config}.yaml" in said
        assert "--epochs 1000\n      a whole number of at least 1" in said
    main(["options", str(project / "bundles" / "flare_pseudolabel"), "--config", "pipeline"])
    said = capsys.readouterr().out
    assert "--on_change refuse\n      refuse or redo: " in said
    assert "train.yaml:" not in said
