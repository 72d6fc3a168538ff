"""Chains of runs that write a word each: what is done, kept, refused and redone."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from custom.errors import InputError, ScansLeftOutError
from custom.io.atomic_write import replacing
from custom.io.run_lock import run_lock
from custom.workflows.chain import Chain
from custom.workflows.record import RunFolder
from custom.workflows.run import Run

from ..test_processes import in_two_processes


class Word(Run):
    """Writes its word behind those of the runs it needs."""

    def __init__(self, work: Path, name: str, word: str, *needs: str) -> None:
        self.name, self.word, self.needs = name, word, needs
        self.work, self.folder = work, RunFolder(work / "runs" / name)

    def inputs(self):
        return {"word": self.word}

    def execute(self):
        if self.word == "torn":
            raise RuntimeError from InputError("/scans/a.nii.gz is torn; restore it")
        if self.word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        words = [(self.work / "runs" / need / "words").read_text() for need in self.needs]
        self.folder.cache.mkdir(parents=True, exist_ok=True)
        with (self.folder.path / "words").open("a") as file:  # twice where it is done twice
            file.write(" ".join([*words, self.word]))

    def result(self):
        return {"letters": len((self.folder.path / "words").read_text())}


@pytest.fixture
def chain(tmp_path):
    """Makes a chain of train, predict and evaluate after both, with other words where given."""

    def make(train="train", predict="predict", evaluate="evaluate", **options) -> Chain:
        work = tmp_path / "work"
        runs = [
            Word(work, "1_train", train),
            Word(work, "2_predict", predict, "1_train"),
            Word(work, "3_evaluate", evaluate, "1_train", "2_predict"),
        ]
        return Chain(runs, work, **options)

    return make


def words(chain: Chain) -> dict[str, str]:
    files = {name: run.folder.path / "words" for name, run in chain.runs.items()}
    return {name: file.read_text() for name, file in files.items() if file.exists()}


def record(chain: Chain, name: str) -> dict:
    return json.loads(chain.runs[name].folder.record.read_text())


EVERY = {"1_train": "train", "2_predict": "train predict", "3_evaluate": "train train predict evaluate"}


def test_a_chain_whose_runs_left_scans_out_goes_on_and_says_so_at_its_end(chain, monkeypatch):
    monkeypatch.setattr(Word, "result", lambda run: {"left_out": {"/scans/a.nii.gz": "torn"}} if run.needs else {})
    for _ in range(2):
        one = chain()
        one.run()
        assert words(one) == EVERY
        with pytest.raises(ScansLeftOutError) as ending:
            one.close()
        assert str(ending.value) == (
            "2 scans left out: a.nii.gz (2_predict), a.nii.gz (3_evaluate); reasons in the runs' record.json"
        )
    chain(status=True).close()


def test_runs_are_done_once_in_order_and_recorded(chain):
    for _ in range(2):
        chain().run()
        assert words(chain()) == EVERY
    done = record(chain(), "2_predict")
    assert done.pop("begun") <= done.pop("finished")
    assert {"this project", "Python", "Pytorch", "MONAI"} <= done.pop("versions").keys()
    assert done == {"run": "2_predict", "needs": ["1_train"], "letters": 13, "state": "done"}
    inputs = json.loads(chain().runs["2_predict"].folder.inputs.read_text())
    assert inputs["word"] == "predict"
    assert list(inputs["follows"]) == ["1_train"]
    assert not chain().runs["2_predict"].folder.cache.exists(), "prepared cases are deleted"


def test_a_killed_run_is_taken_up_and_leftovers_removed(chain):
    process = multiprocessing.get_context("fork").Process(target=chain(predict="kill").run)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert record(chain(), "2_predict")["state"] == "running"
    with pytest.raises(KeyboardInterrupt), replacing(chain().runs["2_predict"].folder.path / "x") as temporary:
        temporary.with_name(".tmp_killed_x").touch()
        raise KeyboardInterrupt
    again = chain(predict="kill")
    again.runs["2_predict"].execute = lambda: (again.runs["2_predict"].folder.path / "words").write_text("at last")
    again.run()
    assert words(again)["3_evaluate"] == "train at last evaluate"
    assert not list(again.work_dir.rglob(".tmp_*"))


def test_changed_runs_are_refused_and_everything_stays(chain):
    chain().run()
    with pytest.raises(InputError) as error:
        chain(predict="guess").run()
    work = chain().work_dir
    assert str(error.value) == (
        'run 2_predict was begun with other settings or data: word "predict" -> "guess". That would redo 2_predict, '
        f"3_evaluate: pass --on_change redo (their folders move to {work}/replaced), undo the change, "
        "or pass another --work_dir"
    )
    assert words(chain()) == EVERY


def test_redo_does_changed_runs_and_their_followers_and_keeps_the_old(chain):
    chain().run()
    before = record(chain(), "1_train")
    for number, word in enumerate(("guess", "hope"), start=1):
        chain(predict=word, on_change="redo").run()
        assert words(chain())["3_evaluate"] == f"train train {word} evaluate"
        assert (chain().work_dir / "replaced" / f"3_evaluate.{number}" / "words").exists()
    assert (chain().work_dir / "replaced" / "3_evaluate.1" / "words").read_text() == EVERY["3_evaluate"]
    assert record(chain(), "1_train") == before


def test_another_version_of_the_code_is_a_change(chain, monkeypatch):
    chain().run()
    monkeypatch.setattr("custom.workflows.chain.__version__", "9.9")
    with pytest.raises(InputError, match=r'1_train was begun with other settings or data: version ".+" -> "9.9"'):
        chain().run()


def test_a_run_before_the_one_it_needs(chain):
    with pytest.raises(InputError) as error:
        chain(only="3_evaluate").run()
    assert str(error.value) == (
        "run 3_evaluate needs run 1_train, which is not done: run that one first (--only 1_train, or all)"
    )
    assert not chain().runs["3_evaluate"].folder.path.exists()


def test_an_error_names_its_run_and_what_is_finished_is_kept(chain):
    with pytest.raises(InputError) as error:
        chain(predict="torn").run()
    assert str(error.value) == "run 2_predict: /scans/a.nii.gz is torn; restore it"
    assert words(chain()) == {"1_train": "train"}


def test_plan_and_state_write_nothing(chain, caplog):
    caplog.set_level("INFO")
    chain(dry_run=True, only=[1, 3]).run()
    assert caplog.messages[-1] == "plan (nothing is run)\n1. 1_train\n3. 3_evaluate after 1_train, 2_predict"
    chain(status="true").run()
    assert caplog.messages[-1].count("not begun") == 3
    assert not chain().work_dir.exists()


def test_a_run_that_was_killed_is_interrupted_unless_another_process_works_on_it(chain):
    with pytest.raises(InputError):
        chain(predict="torn").run()
    assert "interrupted" in chain().state()
    with run_lock(chain().work_dir):
        assert "running" in chain().state()


def test_two_chains_in_one_folder(chain):
    with run_lock(chain().work_dir), pytest.raises(InputError, match="is in use by another run"):
        chain().run()


def test_rank_0_decides_and_all_ranks_work(chain, tmp_path):
    def work() -> list[str]:
        made = chain()
        seen: list[str] = []
        for run in made.runs.values():
            run.execute = lambda run=run: seen.append(run.name)
            run.result = dict
        made.run()
        with pytest.raises(InputError, match="was begun with other settings"):
            chain(train="other").run()
        return seen

    assert in_two_processes(work, tmp_path) == [list(EVERY), list(EVERY)]


@pytest.mark.parametrize(
    ("only", "until", "expected"),
    [
        ("all", "", [1, 2, 3]),
        ("all", None, [1, 2, 3]),
        ("2_predict", "", [2]),
        (3, "", [3]),
        ("3", "", [3]),
        ("3, 1_train", "", [1, 3]),
        ([3, "2_predict"], "", [2, 3]),
        ((1, 2), "", [1, 2]),
        ("all", 2, [1, 2]),
        ("all", "2_predict", [1, 2]),
        ([1, 3], "2", [1]),
    ],
)
def test_runs_are_chosen_by_name_number_list_and_end(chain, only, until, expected):
    assert chain(only=only, until=until).selected == [list(EVERY)[number - 1] for number in expected]


def test_a_name_comes_before_a_number(tmp_path):
    runs = [Word(tmp_path, "2", ""), Word(tmp_path, "x", "")]
    assert Chain(runs, tmp_path, only=2).selected == ["2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": "train"}, "'train' is no run: pass one of 1_train, 2_predict, 3_evaluate, or a number from 1 to 3"),
        ({"only": 4}, "'4' is no run"),
        ({"until": 0}, "'0' is no run"),
        ({"only": [1, "-1"]}, "'-1' is no run"),
        ({"until": "last"}, "'last' is no run"),
        ({"only": 3, "until": 2}, "no run of 3 is left until 2; pass other --only or --until"),
        ({"on_change": "perhaps"}, "on_change is 'perhaps'; pass refuse or redo"),
    ],
)
def test_options_that_cannot_be_meant(chain, options, message):
    with pytest.raises(InputError) as error:
        chain(**options)
    assert str(error.value).startswith(message)
