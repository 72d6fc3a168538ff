"""The weights and the TorchScript file in models/, and what large_files.yml lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from monai.apps.utils import SUPPORTED_HASH_TYPES, check_hash

from ..engines.fitting_weights import load_fitting_weights
from ..engines.large_files import LARGE_FILES, download_command, listed_files
from ..errors import InputError
from ..release.weights import MODEL
from .bundle_folder import BundleFolder
from .network import eager_answer, network, random_image, refuse_difference

SCRIPT = "models/model.ts"  # which MONAI Label prefers to the weights
UNCHECKED = "the checks of the network take weights of a seed"


def check_weights(bundle: BundleFolder) -> str:
    """Weights and TorchScript file fit the network and each other; large files are those of the release.

    Returns:
        What is not there to be checked.
    """
    listed = check_large_files(bundle)
    file = bundle.root / MODEL
    notes = []
    if file.is_file():
        check_fit(bundle, file)
    elif MODEL not in listed:
        notes.append(f"no {MODEL}, which the model zoo asks for; {UNCHECKED}")
    absent = [path for path in listed if not (bundle.root / path).is_file()]
    if absent:
        unchecked = f"; {UNCHECKED}" if MODEL in absent else ""
        notes.append(f"{', '.join(absent)} of {LARGE_FILES} not here: {download_command(bundle.root)}{unchecked}")
    if (bundle.root / SCRIPT).is_file():
        check_script(bundle)
        notes += [] if file.is_file() else [f"{SCRIPT} answers, but there are no weights to compare it with"]
    return "; ".join(notes)


def check_large_files(bundle: BundleFolder) -> list[str]:
    """The entries of large_files.yml have a check sum and lie in the bundle, and files that are there have that sum.

    Returns:
        Their paths.

    Raises:
        InputError: an entry or a file is not so.
    """
    entries = listed_files(bundle.root)
    for entry in entries:
        path = bundle.root / entry["path"]
        if not path.resolve().is_relative_to(bundle.root):
            raise InputError(f"{LARGE_FILES}: {entry['path']} is outside the bundle; correct the path")
        if not entry.get("hash_val") or entry.get("hash_type") not in SUPPORTED_HASH_TYPES:
            kinds = ", ".join(SUPPORTED_HASH_TYPES)
            raise InputError(f"{LARGE_FILES}: {entry['path']} has no hash_val with a hash_type of {kinds}; add both")
        refuse_other_content(bundle, path, entry)
    return [Path(entry["path"]).as_posix() for entry in entries]


def refuse_other_content(bundle: BundleFolder, file: Path, entry: Mapping[str, str]) -> None:
    """Raise an `InputError` where a listed file is there and has another check sum."""
    if file.is_file() and not check_hash(file, entry["hash_val"], entry["hash_type"]):
        raise InputError(
            f"{entry['path']} has another {entry['hash_type']} than {LARGE_FILES} lists: remove it, then "
            f"{download_command(bundle.root)}"
        )


def check_fit(bundle: BundleFolder, file: Path) -> None:
    """The weights are a flat dictionary of tensors that fits the network of inference.yaml."""
    load_fitting_weights(file, network(bundle), "put the weights of inference.yaml's network there, or none")


def check_script(bundle: BundleFolder) -> None:
    """The TorchScript file answers as the weights do; without weights, in the shape that the network has."""
    remedy = "export it again from these weights, or remove it"
    image = random_image(bundle)
    try:
        with torch.no_grad():
            answer = torch.jit.load(bundle.root / SCRIPT, map_location="cpu").eval()(image)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{SCRIPT} does not load and run: {short(error)}; {remedy}") from error
    expected = eager_answer(bundle, image)
    if (bundle.root / MODEL).is_file() or answer.shape != expected.shape:
        refuse_difference(SCRIPT, answer, expected, remedy)


def short(error: Exception) -> str:
    """Where a message fills pages, its beginning in one line."""
    return " ".join(str(error).split())[:200]
