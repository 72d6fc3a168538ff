"""Kinds of values: what is meant by text as typed and by what YAML makes of it, and what is refused."""

import math

import pytest

from custom.errors import InputError
from custom.options.kinds import (
    MAPPING,
    NAMES,
    NAMES_OR_NUMBERS,
    OPTIONAL_PATH,
    PATH,
    SWITCH,
    TEXT,
    Option,
    choice,
    either,
    number,
    or_nothing,
    several,
    whole,
)


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        *((SWITCH, one, True) for one in (True, "true", "True", "yes", "on", 1, "1")),
        *((SWITCH, one, False) for one in (False, "false", "FALSE", "no", "off", 0, "0")),
        *((whole(), one, 100) for one in (100, "100", "1e2", 100.0)),
        (whole(), "1_000", 1000),
        *((number(), one, 0.001) for one in (0.001, "1e-3", "0.001", ".001")),  # YAML 1.1 takes 1e-3 for a word
        *(
            (several(number(), 3), one, [1, 1, 2])
            for one in ("(1,1,2)", "[1, 1.0, 2]", "1,1,2", (1, 1, 2), ["1", 1, 2])
        ),
        *((NAMES, one, ["liver", "2026_01"]) for one in ("liver, 2026_01", "[liver,2026_01]", ("liver", "2026_01"))),
        (NAMES, "", []),
        (NAMES, None, []),
        (NAMES_OR_NUMBERS, 2, ["2"]),
        (NAMES_OR_NUMBERS, "[1, 2_tumours]", ["1", "2_tumours"]),
        *((MAPPING, one, {"a": [1, 2]}) for one in ("{a: [1, 2]}", {"a": (1, 2)}, "{'a': (1, 2)}")),
        (MAPPING, "{plan: /x/y.yaml, epochs: 3}", {"plan": "/x/y.yaml", "epochs": 3}),
        (choice("mm", "voxel"), "voxel", "voxel"),
        (either(whole(), "all"), "all", "all"),
        (either(whole(), "all"), "3", 3),
        *((or_nothing(number()), one, None) for one in (None, "null", "None", "")),
        *(
            (PATH, one, one)
            for one in ("2024", "2026_01_15", "/a#b/@c/$d", "007", "data set", "Gehirn ä", "a'b", "-1", "nan")
        ),
        (PATH, "'2024'", "2024"),  # quoted twice, as fire asks for
        (OPTIONAL_PATH, "", ""),
        (TEXT, "1e3", "1e3"),
    ],
)
def test_what_is_meant(kind, given, meant):
    assert kind.read(given) == meant
    assert type(kind.read(given)) is type(meant) or isinstance(meant, int)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *((SWITCH, one) for one in ("maybe", "", None, 2, [True])),
        *(
            (whole(1), one)
            for one in ("0", 0, -1, "/data", True, "1.5", "", None, [3], "nan", "1e400", 10**10, "2026_01_15", "1_00")
        ),
        *((number(0, above=True), one) for one in (0, "0", "-1", "nan", math.inf, "-inf", "two", "")),
        *((several(whole(1), 3), one) for one in (96, "96", "[96,96]", "[96,96,0]", "null", "{a: 1}", "[[1],1,1]")),
        *((PATH, one) for one in ("", " ", "null", 2024, 20260115, True, None, [1], "~nosuchuser/x", "a\nb", "a\x00")),
        *((MAPPING, one) for one in ("[1]", "3", "{1: 2}", "{a", "", None)),
        (choice("mm", "voxel"), "MM"),
        (TEXT, 5),
    ],
)
def test_what_is_refused_in_one_line_that_names_it(kind, given):
    with pytest.raises(InputError) as error:
        Option("thing", kind).checked(given)
    assert str(error.value).startswith("--thing ")
    assert str(error.value).endswith(f"pass {kind.expected}")
    assert "\n" not in str(error.value)


def test_a_home_folder_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert PATH.read("~/labels") == "/home/someone/labels"
    assert PATH.read("~") == "/home/someone"
    assert PATH.read("./~/labels") == "./~/labels"
