"""A bundle against a model_info.json, which lists what has been published: a published version never changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..engines.large_files import LARGE_FILES, listed_files
from ..errors import InputError
from ..release.archive import write_archive
from ..release.code_name import PROJECT, package_name
from ..release.contents import bundle_contents, code_contents
from ..release.model_info import read_model_info
from ..release.releasing import collect, sha1
from ..release.weights import BESIDE, MODEL
from .bundle_folder import BundleFolder


def check_published(file: Path, bundle: BundleFolder) -> str:
    """The version is not listed yet, or its archive, written anew, has the listed check sum.

    Args:
        file: a model_info.json.
        bundle: in the project or unpacked from a release.

    Returns:
        Nothing, or that the version is listed.
    """
    listed = read_model_info(file)
    name = published_name(bundle, listed)
    if name not in listed:
        return ""
    archive = bundle.scratch / f"{name}.zip"
    top = name.rpartition("_v")[0]
    files = archive_contents(bundle, str(listed[name].get("source", "")))
    write_archive(archive, {f"{top}/{path}": content for path, content in files.items()})
    if sha1(archive) != listed[name].get("checksum"):
        raise InputError(
            f"{name} is listed in {file} with another check sum: if that archive is published, raise the version in "
            "configs/metadata.json and say in its changelog what changed (weights given with --weights are seen in the "
            "unpacked archive only)"
        )
    return f"{name} is listed already, with these very files"


def published_name(bundle: BundleFolder, listed: dict[str, dict[str, Any]]) -> str:
    """The name of the bundle's release: that of its folder, or, as people rename folders, of the code it carries."""
    version = str(bundle.metadata.get("version"))
    ending = f"_v{version}"
    names = [name.removesuffix(ending) for name in listed if name.endswith(ending)]
    own = (name for name in names if package_name(name, version) == bundle.package)
    return f"{next(own, bundle.name)}{ending}"


def archive_contents(bundle: BundleFolder, source: str) -> dict[str, bytes]:
    """Path in the bundle -> content of its archive.

    Args:
        bundle: in the project or unpacked from a release.
        source: the listed address of the archive, beside which large files lie.
    """
    model = bundle.root / MODEL
    if bundle.package == PROJECT:
        return collect(bundle.root, model if model.is_file() else None, source.rpartition("/")[0]).small
    apart = {Path(entry["path"]).as_posix() for entry in listed_files(bundle.root)}
    own = {LARGE_FILES, MODEL, *(f"models/{name}" for name in BESIDE)} - apart
    carried = {path: (bundle.root / path).read_bytes() for path in own if (bundle.root / path).is_file()}
    return bundle_contents(bundle.root, bundle.package) | code_contents(bundle.package, bundle.code) | carried
