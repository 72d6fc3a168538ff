"""Threads with a bar: order, laziness, errors, and who shows the bar."""

import threading
import time

import pytest

from custom.progress import map_with_progress, with_progress


def test_results_come_in_the_order_of_the_items():
    def slower_at_first(number):
        time.sleep(0.02 * (number == 0))
        return 2 * number

    assert list(map_with_progress(slower_at_first, range(9), "doubling", num_workers=3)) == list(range(0, 18, 2))


def test_an_error_comes_with_its_own_result_and_ends_the_work():
    begun = []

    def failing(number):
        begun.append(number)
        if number == 1:
            raise ValueError("one")
        time.sleep(0.001)
        return number

    results = map_with_progress(failing, range(1000), "failing", num_workers=1)
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)
    assert len(begun) < 1000


def test_work_that_nobody_asks_for_any_more_is_dropped():
    begun, gate = [], threading.Event()

    def waiting(number):
        begun.append(number)
        gate.wait(10 * (number > 0))
        return number

    results = map_with_progress(waiting, range(100), "waiting", num_workers=2)
    assert next(results) == 0
    threading.Timer(0.05, gate.set).start()
    results.close()
    assert len(begun) < 100


@pytest.mark.parametrize(("rank", "shown"), [(None, True), ("0", True), ("1", False)])
def test_only_the_first_process_shows_the_bar(monkeypatch, capsys, rank, shown):
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    assert list(map_with_progress(str, [1, 2], "reading labels", "file")) == ["1", "2"]
    assert ("reading labels: 100%" in capsys.readouterr().err) == shown


def test_no_item_no_bar(capsys):
    assert list(map_with_progress(str, [], "reading")) == list(with_progress([], "reading")) == []
    assert capsys.readouterr().err == ""
