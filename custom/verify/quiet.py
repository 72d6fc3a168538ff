"""Silence while a check works: MONAI's commands tell at length what they do."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout

TERMINAL = (1, 2)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing reaches the terminal within; afterwards logging is as before, whatever a logging.conf made of it."""
    with ExitStack() as stack:
        stack.enter_context(silent_programs())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(kept_logging())
        warnings.simplefilter("ignore")
        yield


@contextmanager
def silent_programs() -> Iterator[None]:
    """What libraries outside Python and programs started within write goes nowhere."""
    kept = [os.dup(number) for number in TERMINAL]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in TERMINAL:
            os.dup2(nowhere, number)
        yield
    finally:
        for number, copy in zip(TERMINAL, kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


@contextmanager
def kept_logging() -> Iterator[None]:
    """No messages within, and the root logger afterwards as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        root.handlers[:] = handlers
        root.setLevel(level)
