"""A bundle's configs, as commands read them."""

from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from .errors import InputError, causes_of, find_input_error

NETWORK = "network_def"


def config_file(root: str | Path, name: str) -> Path:
    """One of the files in a bundle's configs/, such as metadata.json. Raises InputError: there is none."""
    file = Path(root) / "configs" / name
    if not file.is_file():
        raise InputError(f"{file}: no such config; correct its name, or pass the folder of a bundle")
    return file


def made_entry(parser: ConfigParser, entry: str, root: Path) -> Any:
    """An entry of a bundle's inference config, made.

    Raises InputError: it cannot be; MONAI says so in a traceback of many wrapped exceptions.
    """
    try:
        return parser.get_parsed_content(entry)
    except (ModuleNotFoundError, RuntimeError) as error:
        reason = " ".join(str(find_input_error(error) or causes_of(error)[-1]).split())[:200]
        raise InputError(
            f"{root}: {entry} of the inference config cannot be made ({reason}): correct it, or its plan"
        ) from error
