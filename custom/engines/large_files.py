"""Files above 25 MB, which a release lists instead of carrying them; MONAI downloads them into the bundle's folder."""

import shlex
from pathlib import Path

import yaml

from ..errors import InputError

LARGE_FILES = "large_files.yml"


def listed_files(root: Path) -> list[dict[str, str]]:
    """The entries of a bundle's large_files.yml, each with `path` and `url`; none where there is no such file.

    Raises InputError: it is no such list.
    """
    file = root / LARGE_FILES
    if not file.is_file():
        return []
    try:
        entries = yaml.safe_load(file.read_text(encoding="utf-8"))["large_files"]
        return [{"path": str(entry["path"]), "url": str(entry["url"])} for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        what = "is no list `large_files` of entries with path and url"
        raise InputError(f"{file} {what}: unpack the release again") from error


def download_command(root: Path) -> str:
    """The command that downloads what a bundle's large_files.yml lists.

    >>> download_command(Path("."))
    'python -m monai.bundle download_large_files --bundle_path .'
    """
    return f"python -m monai.bundle download_large_files --bundle_path {shlex.quote(str(root))}"


def bundle_that_lists(file: Path) -> Path | None:
    """The folder around a file whose large_files.yml lists it.

    Raises InputError: a large_files.yml in a folder around it cannot be read.
    """
    for root in file.parents:
        if file.relative_to(root).as_posix() in [Path(entry["path"]).as_posix() for entry in listed_files(root)]:
            return root
    return None
