"""The code a bundle runs: this project's, or a package next to its configs, as a release carries it."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PYTHONDONTWRITEBYTECODE"
CODE = Path(__file__).resolve().parents[1]


def code_folder(root: Path) -> Path:
    """Folder of the package that the bundle's configs name; it has the package's name.

    It is the one that inference.yaml names, whatever the bundle's folder has been renamed to.
    """
    inference = root / "configs" / "inference.yaml"
    text = inference.read_text(encoding="utf-8") if inference.is_file() else ""
    carried = sorted(file.parent for file in root.glob("*/__init__.py"))
    return next((own for own in carried if re.search(rf"(?<![\w./-]){re.escape(own.name)}\.[A-Za-z_]", text)), CODE)


@contextmanager
def importable(root: Path) -> Iterator[None]:
    """Within, what configs name in the bundle's folder can be imported, as MONAI has it; no trace is left."""
    folder, own = root.resolve(), code_folder(root)
    carried = own != CODE
    with without_bytecode():
        if carried:
            forget_code(own.name)
        sys.path.insert(0, str(folder))
        try:
            yield
        finally:
            sys.path.remove(str(folder))
            if carried:
                forget_code(own.name)


def forget_code(package: str) -> None:
    """Import the package again next time: another bundle, or another version of this one, may carry one of its name."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


@contextmanager
def without_bytecode() -> Iterator[None]:
    """Python, and programs that it starts, write no `__pycache__` next to the code they import."""
    kept, before = sys.dont_write_bytecode, os.environ.get(VARIABLE)
    sys.dont_write_bytecode = True
    os.environ[VARIABLE] = "1"
    try:
        yield
    finally:
        sys.dont_write_bytecode = kept
        os.environ.pop(VARIABLE)
        os.environ |= {} if before is None else {VARIABLE: before}
