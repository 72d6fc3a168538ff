"""Two real processes, joined by gloo, that share a list."""

from __future__ import annotations

import subprocess
import sys

import pytest

from custom.errors import InputError
from custom.processes import check_environment, gathered, is_first, on_first, own_share, rank, together, world_size

from .two_processes import in_two_processes


def test_one_process_alone_does_everything_itself():
    assert not together()
    assert (rank(), world_size(), is_first()) == (0, 1, True)
    assert own_share("abc") == ["a", "b", "c"]
    assert gathered({"a": 1}) == {"a": 1}
    assert on_first(lambda: 3) == 3


def test_before_the_processes_are_joined_torchruns_environment_names_them(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert (rank(), world_size(), is_first(), together()) == (1, 2, False, False)
    assert own_share("abc") == ["b"]
    assert gathered({"a": 1}) == {"a": 1}
    assert on_first(lambda: 3) == 3


def test_importing_it_does_not_import_torch():
    code = "import sys; import custom.processes as p; assert p.is_first() and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_error_of_one_process_alone_is_its_own():
    def fail() -> None:
        raise OSError("torn")

    with pytest.raises(OSError, match="torn"):
        on_first(fail)


def test_two_processes(tmp_path):
    def refuse() -> None:
        (tmp_path / f"refused_{rank()}").touch()
        raise InputError("case_7: no such file; restore it")

    def work():
        answer = on_first(lambda: {"rank": rank(), "none": None})
        nothing = on_first(lambda: None)
        with pytest.raises(InputError) as error:
            on_first(refuse)
        share = own_share([f"case_{number}" for number in range(5)])
        return {
            "own": [together(), rank(), is_first()],
            "answer": answer,
            "nothing": nothing,
            "error": str(error.value),
            "share": share,
            "gathered": gathered({name: rank() for name in share[1:]}),
            "gathered from one": gathered({} if is_first() else {"b": "torn"}),
        }

    first, second = in_two_processes(work, tmp_path)
    assert (first.pop("own"), second.pop("own")) == ([True, 0, True], [True, 1, False])
    assert first.pop("share") == ["case_0", "case_2", "case_4"]
    assert second.pop("share") == ["case_1", "case_3"]
    assert first == second, "rank 0 decisions reach all ranks"
    assert first == {
        "answer": {"rank": 0, "none": None},
        "nothing": None,
        "error": "case_7: no such file; restore it",
        "gathered": {"case_2": 0, "case_4": 0, "case_3": 1},
        "gathered from one": {"b": "torn"},
    }
    assert [file.name for file in tmp_path.glob("refused_*")] == ["refused_0"], "the first alone calls the function"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"RANK": "x"}, "RANK=x in the environment: torchrun sets a whole number; unset it"),
        ({"WORLD_SIZE": "-1"}, "WORLD_SIZE=-1 in the environment: torchrun sets a whole number; unset it"),
        ({"LOCAL_RANK": " "}, "LOCAL_RANK=  in the environment: torchrun sets a whole number; unset it"),
        ({"RANK": "3"}, "RANK=3 and WORLD_SIZE=1 in the environment: torchrun counts from 0; unset both"),
        ({"WORLD_SIZE": "0"}, "RANK=0 and WORLD_SIZE=0 in the environment: torchrun counts from 0; unset both"),
        ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}, ""),
    ],
)
def test_numbers_that_torchrun_would_not_set_are_refused(monkeypatch, environment, said):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    try:
        check_environment()
    except InputError as error:
        assert str(error) == said
    else:
        assert said == ""
