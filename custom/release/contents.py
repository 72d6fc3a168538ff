"""The files of a release: what belongs to the bundle, and the code it runs."""

from pathlib import Path

from ..bundle_configs import config_file
from .bundle_code import CODE, code_folder
from .package_name import renamed

# what is not listed stays at home: data, output, weights of trainings, notes, editors' backups
BUNDLE_FILES = (
    "LICENSE",
    "configs/*.conf",
    "configs/*.json",
    "configs/*.yaml",
    "configs/plans/*.yaml",
    "docs/*.html",
    "docs/*.md",
    "docs/*.png",
    "docs/*.txt",
    "docs/scores/*.csv",
    "models/README.md",
)
CODE_SUFFIXES = (".css", ".html", ".js", ".json", ".py", ".typed")
TEXTS = (".conf", ".json", ".md", ".py", ".txt", ".yaml")


def bundle_contents(root: Path, package: str) -> dict[str, bytes]:
    """Path in the bundle -> content of the bundle's own files, the package of its code in them called `package`.

    Raises InputError: `root` is no bundle's folder.
    """
    config_file(root, "metadata.json")
    own = code_folder(root).name
    files = [file for pattern in BUNDLE_FILES for file in root.glob(pattern) if is_written(file.relative_to(root))]
    return {file.relative_to(root).as_posix(): content(file, package, own) for file in files}


def code_contents(package: str, code: Path = CODE) -> dict[str, bytes]:
    """Path in the bundle -> content of the package `package` that a release carries.

    All of the project but `release`: the parts import one another, and half a megabyte of text is not worth a search.
    `code` is the folder of the package's files, called as the package is.
    """
    found = {}
    for file in code.rglob("*"):
        path = file.relative_to(code)
        if file.suffix in CODE_SUFFIXES and is_written(path) and path.parts[0] != "release":
            found[f"{package}/{path.as_posix()}"] = content(file, package, code.name)
    return found


def is_written(path: Path) -> bool:
    """Whether someone wrote the file: none that is hidden, temporary or in a cache."""
    return not any(part.startswith((".", "__pycache__")) for part in path.parts)


def content(file: Path, package: str, own: str) -> bytes:
    """The bytes of a file, of text with the package `own` called `package`."""
    data = file.read_bytes()
    return renamed(data.decode("utf-8"), package, own).encode("utf-8") if file.suffix in TEXTS else data
