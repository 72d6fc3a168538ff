"""The command that writes releases: archives, their check sums, folders for the Hugging Face hub."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..atomic_write import TEMPORARY_PREFIX, replacing, write_json
from ..errors import InputError
from .archive import write_archive
from .code_name import package_name
from .contents import bundle_contents, code_contents
from .large_files import LARGE, LARGE_FILES, large_files_list, upload_name
from .model_card import model_card
from .network_config import PATH, network_config
from .personal_paths import personal_paths
from .weights import MODEL, parse_weights, weights_contents

logger = logging.getLogger(__name__)

BUNDLES = Path("bundles")
MODEL_INFO = "model_info.json"
HUB = "huggingface"
VERSION = re.compile(r"\d+\.\d+\.\d+(?:[a-z0-9.]*)")


class Release(NamedTuple):
    """One version of a bundle: path in the bundle -> content, small and large files apart."""

    bundle: str
    version: str
    small: dict[str, bytes]
    large: dict[str, bytes]

    @property
    def name(self) -> str:
        """As model_info.json names it: NAME_vVERSION."""
        return f"{self.bundle}_v{self.version}"


def release(
    bundles: str | Sequence[str] = "all",
    output: str = "dist",
    url: str = "",
    weights: str | Sequence[str] = "",
    source: str = str(BUNDLES),
) -> None:
    """Write the release of bundles into a folder; equal files give equal archives, byte for byte.

    In `output`, each file with its check sum on the terminal:

    - NAME_vVERSION.zip: the bundle with its own copy of the code, in a package of its own name; `python -m monai.bundle
      download --name NAME --url .../NAME_vVERSION.zip` takes it from any web server.
    - NAME_vVERSION_model.pt: trained weights above 25 MB, to be uploaded beside the archive, which lists them.
    - model_info.json: check sum and address of each archive; entries of other bundles and versions stay.
    - huggingface/NAME/: the same bundle as a folder for the Hugging Face hub, its model card as README.md.

    Weights are released where models/model.pt exists or `--weights` gives a file, and only if `eval_metrics` in
    metadata.json states a measured score and their `origin`.

    Args:
        bundles: "all", or names of folders in `source`, separated by commas.
        output: folder to write to; other files in it stay.
        url: address of the folder the files will be uploaded to.
        weights: NAME=FILE, or NAME=none to release a bundle without its models/model.pt; several separated by commas.
        source: folder of the bundles.

    Raises:
        InputError: a bundle, its version, its weights or a path in its files cannot be released.
    """
    roots = bundle_folders(bundles, Path(source))
    chosen = parse_weights(weights, [root.name for root in roots])
    releases = []
    for root in roots:
        own = root / MODEL
        releases.append(collect(root, chosen.get(root.name, own if own.is_file() else None), url))
    archives = {made.name: write_release(made, Path(output)) for made in releases}
    write_model_info(Path(output) / MODEL_INFO, archives, url)


def bundle_folders(bundles: str | Sequence[str], source: Path) -> list[Path]:
    """The folders of the named bundles, or of all.

    Raises:
        InputError: there is none of that name.
    """
    known = sorted(file.parents[1] for file in source.glob("*/configs/metadata.json"))
    if not known:
        raise InputError(f"{source} holds no bundles: run this in the project's folder, or pass --source FOLDER")
    if bundles == "all":
        return known
    names = bundles.split(",") if isinstance(bundles, str) else [str(name) for name in bundles]
    for name in names:
        if source / name not in known:
            raise InputError(f"--bundles {name}: one of {', '.join(root.name for root in known)}, or all")
    return [source / name for name in names]


def collect(root: Path, weights: Path | None, url: str) -> Release:
    """Everything that a release of a bundle holds.

    Raises:
        InputError: see `release`.
    """
    metadata = read_metadata(root)
    version = str(metadata["version"])
    package = package_name(root.name, version)
    files = bundle_contents(root, package) | code_contents(package)
    files[PATH] = network_config(root, package)
    carried = weights_contents(weights, root, metadata)
    large = {path: content for path, content in carried.items() if len(content) > LARGE}
    small = files | {path: content for path, content in carried.items() if path not in large}
    found = personal_paths(small, root)
    if found:
        raise InputError(f"{root}: {found[0]} is a path of your own machine: write a placeholder instead")
    made = Release(root.name, version, small, large)
    if large:
        if not url:
            raise InputError(f"{root.name}: {', '.join(large)} is above 25 MB: pass --url, where it will be downloaded")
        made.small[LARGE_FILES] = large_files_list(made.name, large, url)
    return made


def read_metadata(root: Path) -> dict[str, Any]:
    """The bundle's metadata.

    Raises:
        InputError: they cannot be read, or have no version that the changelog explains.
    """
    file = root / "configs" / "metadata.json"
    try:
        metadata = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as JSON ({error}): correct it") from error
    version = metadata.get("version")
    if not VERSION.fullmatch(str(version)):
        raise InputError(f"{file}: version is {version!r}: write it as 0.1.0")
    if version not in metadata.get("changelog", {}):
        raise InputError(f"{file}: the changelog has no entry {version}: write what this version brings")
    return metadata


def write_release(made: Release, output: Path) -> Path:
    """Write the archive, the large files beside it and the folder for the hub.

    Returns:
        The archive.
    """
    archive = output / f"{made.name}.zip"
    write_archive(archive, {f"{made.bundle}/{path}": content for path, content in made.small.items()})
    report(archive)
    for path, content in made.large.items():
        file = output / upload_name(made.name, path)
        with replacing(file) as temporary:
            temporary.write_bytes(content)
        report(file)
    write_hub_folder(made, output / HUB)
    return archive


def write_model_info(file: Path, archives: Mapping[str, Path], url: str) -> None:
    """Add or replace the entries of some releases, name -> archive."""
    entries = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    for name, archive in archives.items():
        source = f"{url.rstrip('/')}/{archive.name}" if url else archive.name
        checksum = sha1(archive)
        if entries.get(name, {}).get("checksum", checksum) != checksum:
            logger.warning("%s was another archive before: if that one is published, raise the version", name)
        entries[name] = {"checksum": checksum, "source": source}
    write_json(file, dict(sorted(entries.items())))
    report(file)


def write_hub_folder(made: Release, hub: Path) -> None:
    """The bundle as a folder, with its model card and with the large files in place; replaces an earlier one whole."""
    files = hub_contents(made)
    target, temporary = hub / made.bundle, hub / f"{TEMPORARY_PREFIX}{made.bundle}"
    shutil.rmtree(temporary, ignore_errors=True)
    for path, content in files.items():
        file = temporary / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    shutil.rmtree(target, ignore_errors=True)
    temporary.replace(target)
    size = sum(map(len, files.values()))
    logger.info("%s/  %d files, %s", target, len(files), megabytes(size))


def hub_contents(made: Release) -> Mapping[str, bytes]:
    """What the hub gets: it stores large files itself."""
    small = {path: content for path, content in made.small.items() if path != LARGE_FILES}
    card = model_card(small["docs/README.md"].decode("utf-8"), small["LICENSE"].decode("utf-8"))
    return small | made.large | {"README.md": card.encode("utf-8")}


def report(file: Path) -> None:
    """One line: the file, its check sum and its size."""
    logger.info("%s  sha1 %s  %s", file, sha1(file), megabytes(file.stat().st_size))


def sha1(file: Path) -> str:
    """SHA-1 of a file, which the model zoo's model_info.json holds."""
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()


def megabytes(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e6:.2f} MB"
