"""The command that lists what may be set in the configs of a bundle."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from ..nearest_name import did_you_mean
from .bundle_options import bundle_options, is_whole
from .kinds import Option

WIDTH = 110


def options(bundle: str | Path, config: str = "") -> str:
    """List the options of a bundle's configs with default, kind and meaning, as the first blocks of the files say.

    Args:
        bundle: folder of the bundle.
        config: one of its configs, such as train; by default all.

    Returns:
        The list.

    Raises:
        InputError: there is no such bundle or config.
    """
    configs = Path(bundle) / "configs"
    files = bundle_options(configs)
    if config and config not in files:
        raise InputError(f"{bundle} has no config {config!r}{did_you_mean(config, files)}: {', '.join(files)}")
    parts = [
        listing(configs / f"{name}.yaml", known) for name, known in files.items() if config in ("", name) and known
    ]
    return "\n\n".join(parts)


def listing(file: Path, known: dict[str, Option]) -> str:
    """The options of one config."""
    title = f"{file.name}: " if is_whole(file) else f"{file.name}, laid over another config, sets: "
    head = file.read_text(encoding="utf-8").split("\n#\n", maxsplit=1)[0].removeprefix("# ").replace("\n# ", " ")
    summary = re.split(r"(?<=[.:]) ", head, maxsplit=1)[0]
    return "\n".join([title + summary, *(line for option in known.values() for line in lines_of(option))])


def lines_of(option: Option) -> Iterator[str]:
    """An option with its default, then what it takes and means."""
    default = " ".join(option.default.split())
    yield textwrap.shorten(f"  --{option.name} {default}", WIDTH, placeholder=" ...").replace("--", "  --", 1)
    meaning = f": {option.meaning}" if option.meaning else ""
    yield from textwrap.wrap(option.kind.expected + meaning, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
