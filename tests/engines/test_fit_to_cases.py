"""What is kept of every case of a run, and written at its end."""

import pytest
from ignite.engine import Engine

from custom.engines import fit_to_cases
from custom.engines.fit_to_cases import FitToCases
from custom.errors import InputError


class Squares(FitToCases):
    """Writes down the squares of the batches."""

    def collect(self, engine):
        return engine.state.batch**2

    def write(self, _):
        self.written = list(self.cases)


def run(fit):
    engine = Engine(lambda _, batch: batch)
    fit.attach(engine)
    engine.run([1, 2, 3])


def test_every_case_of_the_last_run_alone():
    squares = Squares("file", None)
    for _ in range(2):
        run(squares)
        assert squares.written == [1, 4, 9]
    squares.keep_first(1)
    assert squares.cases == [1]


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setattr(fit_to_cases, "world_size", lambda: 2)
    with pytest.raises(InputError, match="is fitted by one process: run this without torchrun"):
        run(Squares("file", None))
