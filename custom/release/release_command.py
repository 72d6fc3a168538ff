"""The command that writes releases: archives, their checksums, folders for the Hugging Face hub."""

import hashlib
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from monai.bundle import ConfigParser

from ..bundle_configs import config_file
from ..engines.large_files import LARGE_FILES
from ..engines.writable_folders import make_writable
from ..errors import InputError
from ..io.atomic_write import replacing, write_json
from ..options.kinds import NAMES
from .archive import write_archive, write_folder
from .bundle_code import code_folder, importable
from .contents import bundle_contents, code_contents
from .large_files import LARGE, large_files_list, upload_name
from .metadata import released_metadata
from .model_card import model_card
from .model_info import MODEL_INFO, read_model_info
from .network_config import PATH, network_config
from .package_name import package_name
from .personal_paths import personal_paths
from .released_models import models_contents, released_models
from .trained_bundle import trained_bundle
from .weights import FOLDS, MODEL, parse_weights, weights_contents

logger = logging.getLogger(__name__)

BUNDLES = Path("bundles")
HUB = "huggingface"


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
    output: str | Path = "dist",
    url: str = "",
    weights: str | Sequence[str] = "",
    source: str | Path = BUNDLES,
) -> None:
    """Write the release of bundles into a folder; equal files give equal archives, byte for byte.

    In `output`, each file with its checksum on the terminal:

    - NAME_vVERSION.zip: the bundle with its own copy of the code, in a package of its own name; `python -m monai.bundle
      download --name NAME --url .../NAME_vVERSION.zip` takes it from any web server.
    - NAME_vVERSION_model.pt: trained weights above 25 MB, to be uploaded next to the archive, which lists them.
    - model_info.json: checksum and address of each archive; entries of other bundles and versions stay.
    - huggingface/NAME/: the same bundle as a folder for the Hugging Face hub, its model card as README.md.

    Each model in models/NAME with a model.yaml (`add_model`) is in its bundle's archive, and has one of its own,
    NAME_vVERSION.zip, which MONAI Label serves and `monai.bundle.load` loads.

    Weights are released where models/model.pt exists or `--weights` gives a file, and only if `eval_metrics` in
    metadata.json states a measured score and their `origin`.

    Args:
        bundles: "all", or names of folders in `source`, separated by commas.
        output: folder to write to; other files in it stay.
        url: address of the folder the files will be uploaded to.
        weights: NAME=FILE, or NAME=none to release a bundle without its models/model.pt; several separated by commas.
        source: folder of the bundles; they may carry their code, as unpacked releases and trained bundles do.

    Raises:
        InputError: a bundle, its version, its weights or a path in its files cannot be released, or `output` cannot be
            written.
    """
    folder = Path(output)
    listed = folder / MODEL_INFO
    entries = read_model_info(listed) if listed.is_file() else {}
    roots = bundle_folders(bundles, Path(source))
    chosen = parse_weights(weights, [root.name for root in roots])
    releases = []
    for root in roots:
        own = root / MODEL
        with importable(root):
            releases.append(collect(root, chosen.get(root.name, own if own.is_file() else None), str(url)))
        releases += models_releases(root, str(url))
    refuse_equal_names(releases)
    make_writable(str(folder), str(folder / HUB), remedy="pass another --output")
    archives = {made.name: write_release(made, folder) for made in releases}
    write_model_info(listed, entries, archives, str(url))


def bundle_folders(bundles: str | Sequence[str], source: Path) -> list[Path]:
    """The folders of the named bundles, or of all. Raises InputError: there is none of that name."""
    known = sorted(file.parents[1] for file in source.glob("*/configs/metadata.json"))
    if not known:
        raise InputError(f"{source} holds no bundles: run this in the project's folder, or pass --source FOLDER")
    chosen = known if (names := NAMES.read(bundles)) == ["all"] else [source / name for name in names]
    for root in chosen:
        if root not in known:
            raise InputError(f"--bundles {root.name}: one of {', '.join(one.name for one in known)}, or all")
    return chosen


def collect(root: Path, weights: Path | None, url: str) -> Release:
    """Everything that a release of a bundle holds; its code must be importable. Raises InputError: see `release`."""
    metadata = released_metadata(root)
    version = str(metadata["version"])
    package = package_name(root.name, version)
    inference = ConfigParser(ConfigParser.load_config_file(str(config_file(root, "inference.yaml"))))
    inference.update({"bundle_root": str(root), "checkpoint": str(weights or "")})
    files = bundle_contents(root, package) | code_contents(package, code_folder(root))
    files[PATH] = network_config(inference, root, package)
    files |= models_contents(root)
    carried = weights_contents(weights, root, metadata, inference)
    large = {path: content for path, content in carried.items() if len(content) > LARGE}
    small = files | {path: content for path, content in carried.items() if path not in large}
    found = personal_paths(small, root)
    if found:
        raise InputError(f"{root}: {found[0]} is a path of your own computer: write a placeholder instead")
    made = Release(root.name, version, small, large)
    if large:
        if not url:
            raise InputError(f"{root.name}: {', '.join(large)} is above 25 MB: pass --url, where it will be downloaded")
        made.small[LARGE_FILES] = large_files_list(made.name, large, url)
    return made


def models_releases(root: Path, url: str) -> list[Release]:
    """Releases of a bundle's shipped models, each as a bundle of its own. Raises InputError: see `release`."""
    made = []
    for folder, _ in released_models(root):
        with tempfile.TemporaryDirectory() as scratch:
            own = Path(scratch) / folder.name
            trained_bundle(root, own, folder)
            with importable(own):
                made.append(collect(own, own / MODEL, url))
            if (kept := own / FOLDS).is_file():  # a release of anything else carries none, as they name the cases
                made[-1].small[FOLDS] = kept.read_bytes()
    return made


def refuse_equal_names(releases: Sequence[Release]) -> None:
    """Raise an `InputError` where two releases would be one archive, such as models of two bundles."""
    names = [made.name for made in releases]
    repeated = next((made for made in releases if names.count(made.name) > 1), None)
    if repeated is not None:
        raise InputError(
            f"{repeated.name} would be written {names.count(repeated.name)} times: rename the folder of one of the "
            f"models or bundles called {repeated.bundle}, or release them into two folders with --bundles"
        )


def write_release(made: Release, output: Path) -> Path:
    """Write the archive, which is returned, the large files next to it and the folder for the hub."""
    archive = output / f"{made.name}.zip"
    write_archive(archive, {f"{made.bundle}/{path}": content for path, content in made.small.items()})
    report(archive)
    for path, content in made.large.items():
        file = output / upload_name(made.name, path)
        with replacing(file) as temporary:
            temporary.write_bytes(content)
        report(file)
    files, target = hub_contents(made), output / HUB / made.bundle
    write_folder(target, files, replace=True)
    logger.info("%s/  %d files, %.2f MB", target, len(files), sum(map(len, files.values())) / 1e6)
    return archive


def write_model_info(file: Path, known: Mapping[str, Any], archives: Mapping[str, Path], url: str) -> None:
    """Write the known entries with those of some releases, name -> archive, added or replaced."""
    entries = dict(known)
    for name, archive in archives.items():
        source = f"{url.rstrip('/')}/{archive.name}" if url else archive.name
        checksum = sha1(archive)
        if entries.get(name, {}).get("checksum", checksum) != checksum:
            logger.warning("%s was another archive before: if that one is published, raise the version", name)
        entries[name] = {"checksum": checksum, "source": source}
    write_json(file, dict(sorted(entries.items())))
    report(file)


def hub_contents(made: Release) -> Mapping[str, bytes]:
    """What the hub gets: the bundle with its model card, and the large files, which it stores itself, in place."""
    small = {path: content for path, content in made.small.items() if path != LARGE_FILES}
    card = model_card(small["docs/README.md"].decode("utf-8"), small["LICENSE"].decode("utf-8"))
    return small | made.large | {"README.md": card.encode("utf-8")}


def report(file: Path) -> None:
    """One line: the file, its checksum and its size."""
    logger.info("%s  sha1 %s  %.2f MB", file, sha1(file), file.stat().st_size / 1e6)


def sha1(file: Path) -> str:
    """SHA-1 of a file, which the model zoo's model_info.json holds."""
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()
