"""The models that a bundle is shipped with, in its release and as bundles of their own."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..datalist.kept_folds import KEPT_FOLDS
from ..errors import InputError
from ..io.checksums import sha256
from ..plans import MODEL_FILE, PLAN_FILE, ReleasedModel, read_released_model
from .large_files import LARGE
from .weights import MODEL, ORIGIN

WEIGHTS = Path(MODEL).name


def released_models(root: Path) -> Iterator[tuple[Path, ReleasedModel]]:
    """The folders in a bundle's `models` that hold a released model, with what their model.yaml says.

    Raises InputError: weights or plan are missing, or others than those that model.yaml is of.
    """
    for file in sorted(root.glob(f"models/*/{MODEL_FILE}")):
        folder = file.parent
        released = read_released_model(folder)
        assert released is not None
        for name in (WEIGHTS, PLAN_FILE):
            if not (folder / name).is_file():
                raise InputError(f"{folder / name} is missing, of the released model: restore it, or remove the folder")
        if sha256(folder / WEIGHTS) != released.sha256:
            raise InputError(f"{folder / WEIGHTS} is another file than its {MODEL_FILE} is of: restore it")
        if (folder / WEIGHTS).stat().st_size > LARGE:
            raise InputError(f"{folder / WEIGHTS} is above 25 MB: add it again with --half true")
        yield folder, released


def models_contents(root: Path) -> dict[str, bytes]:
    """Path in the bundle -> content of the files of its released models."""
    names = (WEIGHTS, PLAN_FILE, MODEL_FILE, KEPT_FOLDS)
    files = [folder / name for folder, _ in released_models(root) for name in names]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files if file.is_file()}


def stated_scores(released: ReleasedModel) -> dict[str, Any]:
    """What a bundle's `eval_metrics` says of them: origin and scores, one below another."""
    return {ORIGIN: released.origin, **dict(_flat(released.scores))}


def _flat(scores: Mapping[str, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in scores.items():
        key = f"{head} {name}".strip()
        if isinstance(value, Mapping):
            yield from _flat(value, key)
        else:
            yield key, value
