"""What a bundle run makes of what is given, at its gate: the very configs, with MONAI's and fire's own reading."""

import itertools
import json
import sys
from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache
from pathlib import Path

import fire
import monai.bundle
import pytest
import yaml
from monai.bundle import ConfigParser, ConfigWorkflow

from custom.errors import InputError, find_input_error, input_error_message
from custom.options.bundle_options import bundle_options
from custom.options.gate import literal, quoted
from custom.options.kinds import PATH, TEXT
from custom.workflows.bundle_run import checked_settings

from ..odd_values import ODD_VALUES

UNKNOWN = "the configs named here have no such option"

BUNDLES = ("batseg_spine", "flare_pseudolabel")
PROGRAM = str(Path(monai.bundle.__file__).with_name("__main__.py"))
WHOLE = [
    *(
        ("batseg_spine", config)
        for config in ("train", "train+evaluate", "inference", "inference+inference_exported", "study")
    ),
    *(("flare_pseudolabel", config) for config in ("train", "train+evaluate", "inference", "pipeline")),
]


@pytest.fixture(autouse=True)
def configs_are_read_once(monkeypatch):
    read = lru_cache(ConfigParser.load_config_file)
    monkeypatch.setattr(ConfigParser, "load_config_file", lambda filepath, **_: deepcopy(read(str(filepath))))


@pytest.fixture
def given(project, monkeypatch, tmp_path) -> Callable[..., ConfigParser]:
    """`python -m monai.bundle run` with a command line, up to and with the gate; returns the config behind it."""
    reached: list[ConfigWorkflow] = []
    monkeypatch.setattr(ConfigWorkflow, "run", lambda run: reached.append(run) or [])
    monkeypatch.setattr(ConfigWorkflow, "finalize", lambda _: None)
    monkeypatch.chdir(tmp_path)

    def behind_gate(bundle: str, configs: str, *arguments: str) -> ConfigParser:
        folder = project / "bundles" / bundle / "configs"
        files = [name if name.endswith(".yaml") else str(folder / f"{name}.yaml") for name in configs.split("+")]
        line = ["run", "--config_file", str(files), "--init_id", "initialize::1", *arguments]
        monkeypatch.setattr(sys, "argv", [PROGRAM, *line])
        fire.Fire({"run": monai.bundle.run}, line)
        return reached.pop().parser

    return behind_gate


@pytest.fixture
def refused(given) -> Callable[..., str]:
    """The line that a command line is refused with."""

    def line(*arguments: str) -> str:
        with pytest.raises(Exception) as caught:
            given(*arguments)
        error = find_input_error(caught.value)
        assert error is not None, caught.value
        return input_error_message(error)

    return line


@pytest.mark.parametrize(("bundle", "configs"), WHOLE)
def test_the_configs_themselves_pass(given, bundle, configs):
    given(bundle, configs)


@pytest.mark.parametrize(
    ("argument", "id", "meant"),
    [
        (["--dataset_dir", "2024"], "dataset_dir", "2024"),
        (["--dataset_dir", "2026_01_15"], "dataset_dir", "2026_01_15"),
        (["--dataset_dir=007"], "dataset_dir", "007"),
        (["--dataset_dir=data#1"], "dataset_dir", "data#1"),
        (["--output_dir", "/a#b/@epochs/$x"], "output_dir", "/a#b/@epochs/$x"),
        (["--output_dir", "@epochs"], "output_dir", "@epochs"),
        (["--output_dir=~/labels"], "output_dir", "/home/someone/labels"),
        (["--output_dir", "$@bundle_root + '/x'"], "output_dir", "./x"),
        (["--data_name", "0"], "data_name", "0"),
        (["--learning_rate", "1e-3"], "learning_rate", 0.001),
        (["--epochs", "1e2"], "epochs", 100),
        (["--amp", "no"], "amp", False),
        (["--resume"], "resume", True),
        (["--noamp"], "amp", False),
        (["--run_name", "3"], "run_name", "3"),  # MONAI's, of --tracking
        (["--fold", "all"], "fold", "all"),
        (["--spacing", "(1,1,2)"], "spacing", [1, 1, 2]),
        (["--patch_size", "16,16,16"], "patch_size", [16, 16, 16]),
        (["--class_names", "[a, 2026_01]"], "class_names", ["a", "2026_01"]),
        (["--intensity", "null"], "intensity", None),
        (["--optimizer#momentum", "0.5"], "optimizer#momentum", 0.5),
        (["--optimizer#dampening", "0.5"], "optimizer#dampening", 0.5),  # of the class, not of the config
    ],
)
def test_what_is_meant(given, monkeypatch, argument, id, meant):
    monkeypatch.setenv("HOME", "/home/someone")
    assert given("batseg_spine", "train", *argument).get_parsed_content(id) == meant


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        (["--learningrate", "5"], f"--learningrate: {UNKNOWN} (did you mean learning_rate?)"),
        (["--trackng", "mlflow"], f"--trackng: {UNKNOWN} (did you mean tracking?)"),
        (["--optimizer#lrr", "5"], "--optimizer#lrr: optimizer has no lrr (did you mean lr?)"),
        (["--train#trainer#max_epoch", "5"], "--train#trainer#max_epoch: train#trainer has no max_epoch"),
        (["--train#sampl", "5"], "--train#sampl: train has no sampl (did you mean sampler?)"),
        (["--until", "3"], f"--until: {UNKNOWN}"),
        (["--normalisation"], f"--rmalisation: {UNKNOWN} (did you mean normalisation?)"),
        (["--epochs", "0"], "--epochs 0: pass a whole number of at least 1"),
        (["--val_interval", "0"], "--val_interval 0: pass a whole number of at least 1"),
        (["--num_workers", "-1"], "--num_workers -1: pass a whole number from 0 to 256"),
        (["--patch_size", "96"], '--patch_size 96: pass a list of 3 of: whole number from 1 to 4096, such as "['),
        (["--dataset_dir", "null"], "--dataset_dir null: it is no path (for a folder of that name: ./null)"),
        (["--output_dir", "None"], "--output_dir None: it is no path (for a folder of that name: ./None)"),
        (["--output_dir", ""], "--output_dir '': it is empty; pass a path"),
        (["--output_dir", "$HOME/x"], "--output_dir '$HOME/x': $ begins an expression of MONAI's, and this is none"),
        (["--output_dir", "~nosuchuser/x"], "--output_dir '~nosuchuser/x': there is no such user"),
        (["--boundary_base", "L1"], "--boundary_base L1: pass l1, l2 or ce"),
        (["--tracking_uri", "5"], "--tracking_uri 5: pass sqlite:///FILE, or the address of a server, such as http"),
        (["--num_workers", "2026_01_15"], "--num_workers 2026_01_15: pass a whole number from 0 to 256"),
        (["--device", "gpu"], "--device gpu: pass cpu, cuda, cuda:1 or mps"),
        (["--foreground_oversampling", "1.1"], "--foreground_oversampling 1.1: pass a number from 0 to 1"),
    ],
)  # fmt: skip
def test_what_is_refused(refused, argument, said):
    assert refused("batseg_spine", "train", *argument).startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"learning_rate": "1e-3"}, ""),  # a word in YAML 1.1
        ({"dataset_dir": "~/data"}, ""),
        ({"loss#weight": 2.0, "my_weight": 3.0, "boundary_weight": "@my_weight"}, ""),
        ({"learningrate": 5}, f"learningrate: {UNKNOWN} (did you mean learning_rate?)"),
        ({"epochs": 0}, "epochs 0: pass a whole number of at least 1"),
        ({"dataset_dir": 20260115}, "dataset_dir 20260115: was read as int, not as text; write it in quotes"),
        ({"output_dir": "/a#b"}, "output_dir /a::b: in a config @, # and :: make ids"),
        ({"output_dir": "@outputdir"}, "output_dir @outputdir: in a config @, # and :: make ids"),
    ],
)  # fmt: skip
def test_an_overlay(given, refused, tmp_path, content, said):
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(content))
    arguments = ("batseg_spine", f"train+{tmp_path / 'own.yaml'}")
    if said:
        assert refused(*arguments).startswith(said)
    else:
        given(*arguments)


def test_equal_settings_are_equal_however_they_are_written(project):
    """Else a recipe that is run again would be told that its settings have changed."""
    root = project / "bundles" / "flare_pseudolabel"
    written = [
        {"spacing": (1, 1, 2), "fold": "0", "learning_rate": "1e-2", "amp": "no", "plan": "small"},
        {"spacing": [1.0, 1.0, 2.0], "fold": 0, "learning_rate": 0.01, "amp": False, "plan": "small"},
    ]
    one, other = (json.dumps(checked_settings("stage 1", root, ("train",), settings)) for settings in written)
    assert one == other


def test_keys_of_a_mapping_are_for_its_reader_to_check(given, refused):
    parser = given("batseg_spine", "study", "--training#batch_dice", "true")
    assert parser.get("training") == {"batch_dice": "true"}  # a run of the study makes a switch of it
    assert "--train#batch_dice: train has no batch_dice" in refused(
        "batseg_spine", "train", "--train#batch_dice", "true"
    )


def test_values_of_a_recipe(given):
    training = "{plan: /x/y.yaml, epochs: '3', spacing: [1, 1, 1]}"
    parser = given(
        "flare_pseudolabel", "pipeline", "--training", training, "--stages", "2_tumours,3", "--window", "null"
    )
    assert parser["training"] == {"plan": "/x/y.yaml", "epochs": "3", "spacing": [1, 1, 1]}
    assert parser["stages"] == ["2_tumours", "3"]
    assert parser["window"] is None


def every_option(project: Path) -> list[tuple[str, str]]:
    files = {name: bundle_options(project / "bundles" / name / "configs") for name in BUNDLES}
    return [
        (bundle, option) for bundle, configs in files.items() for known in configs.values() for option in known.values()
    ]


def test_no_odd_value_of_any_option_is_more_than_a_line_or_other_than_meant(project, monkeypatch):
    """Every option of every config with every odd value: refused in one line, or through MONAI as it is meant."""
    monkeypatch.setenv("HOME", "/home/someone")
    for (_, option), text in itertools.product(every_option(project), ODD_VALUES):
        try:
            meant = option.checked(text)
        except InputError as error:
            assert str(error).startswith(f"--{option.name} ")
            assert "\n" not in str(error)
            assert len(str(error)) < 400
            continue
        config = ConfigParser({option.name: literal(meant), "used": f"$[@{option.name}]"})
        assert config.get_parsed_content("used") == [meant], (option.name, text)
        if option.kind in (PATH, TEXT) and text[:1] not in ("'", '"', "~"):
            assert meant == text


@pytest.mark.parametrize("bundle", BUNDLES)
def test_an_option_means_the_same_in_every_config(project, bundle):
    found: dict[str, str] = {}
    for known in bundle_options(project / "bundles" / bundle / "configs").values():
        for name, option in known.items():
            if option.kind.expected != "a value":
                assert found.setdefault(name, option.kind.expected) == option.kind.expected, name


@pytest.mark.parametrize("name", ["a#b", "@x", "$x", "it's #1 @x"])
def test_a_path_within_an_expression(name):
    assert ConfigParser({"x": 1, "used": f"$len({quoted(name)})"}).get_parsed_content("used") == len(name)
