"""What a released model states in addition to its plan: `model.yaml` next to `model.pt` and `plan.yaml`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError
from ..io.atomic_write import write_text
from .plan import plain

MODEL_FILE = "model.yaml"
HEAD = "# Where these weights come from; a folder with this file holds a released model.\n"


@dataclass(frozen=True)
class ReleasedModel:
    """Where weights come from and how good they are.

    Args:
        origin: the data and the training, in a sentence.
        data_license: of the data they were trained on.
        scores: name -> measured value, or class -> value; a text says of which cases they are.
        command: that trained them, with which they can be made again.
        seed: of the training.
        precision: of the file's weights, float32 or float16.
        sha256: of model.pt.
    """

    origin: str
    data_license: str
    scores: Mapping[str, Any]
    command: str
    seed: int
    precision: str
    sha256: str


def read_released_model(folder: Path) -> ReleasedModel | None:
    """What a folder's model.yaml says; None where there is none.

    Raises InputError: the file cannot be read, or lacks an entry.
    """
    file = folder / MODEL_FILE
    if not file.is_file():
        return None
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{file}: is not readable YAML ({' '.join(str(error).split())[:200]}); restore it") from error
    return checked_model(content if isinstance(content, dict) else {}, str(file))


def checked_model(content: Mapping[str, Any], source: str) -> ReleasedModel:
    """The entries, of which none may be missing, unknown or empty. Raises InputError, naming `source` and the entry."""
    known = list(ReleasedModel.__annotations__)
    faults = [f"has an unknown entry {key!r}" for key in content if key not in known]
    faults += [f"lacks {key}" for key in known if content.get(key) in (None, "", {}, [])]
    if not faults and not isinstance(content["scores"], Mapping):
        faults.append("has scores that are no mapping of names to values")
    if faults:
        raise InputError(f"{source}: {faults[0]}; it must state {', '.join(known)}")
    return ReleasedModel(**{key: content[key] for key in known})


def write_released_model(folder: Path, model: ReleasedModel) -> None:
    """Write model.yaml, atomically."""
    content = yaml.safe_dump(plain(asdict(model)), sort_keys=False, width=120, allow_unicode=True)
    write_text(folder / MODEL_FILE, HEAD + content)
