"""The command that checks bundles before they are released."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ..errors import InputError
from ..options import option_list
from ..release.bytecode import forget_code, without_bytecode
from ..release.code_name import PROJECT
from ..release.model_info import read_model_info
from ..release.releasing import BUNDLES, bundle_folders
from .bundle_folder import BundleFolder
from .configs import check_entries, check_inference_properties, check_train_properties, reason
from .documentation import check_commands, check_sections
from .files import check_files, check_personal_paths
from .metadata import check_agreement, check_schema, check_version
from .network import check_input_and_output, check_onnx, check_torchscript
from .packages import check_packages
from .published import check_published
from .quiet import quiet
from .runs import check_runs
from .weights import check_weights

logger = logging.getLogger(__name__)

PASSED, NOTE, FAILED = "ok", "note", "FAILED"
Check = Callable[[BundleFolder], str | None]  # raises where something is wrong; may return a remark
CHECKS: dict[str, Check] = {
    "files": check_files,
    "personal paths": check_personal_paths,
    "version and changelog": check_version,
    "metadata schema": check_schema,
    "metadata and configs agree": check_agreement,
    "packages of the code": check_packages,
    "sections of docs/README.md": check_sections,
    "documented commands exist": check_commands,
    "properties for training": check_train_properties,
    "properties for inference": check_inference_properties,
    "every config entry": check_entries,
    "documented commands run": check_runs,
    "weights": check_weights,
    "network input and output": check_input_and_output,
    "TorchScript export": check_torchscript,
    "ONNX export": check_onnx,
}


def verify(bundle: str | Sequence[str] = "all", source: str = str(BUNDLES), model_info: str = "") -> None:
    """Check bundles as MONAI's model zoo does, and more; one line for each check, exit status 1 where one fails.

    Files, version, changelog and metadata, sections and commands of the page, personal paths, every entry of every
    config, MONAI's properties, weights, input and output of the network, TorchScript and ONNX exports. Configs are run
    small and on generated boxes; nothing is written into the bundle. A line says ok, FAILED, or note: nothing is wrong,
    but something could not be checked, such as weights that are not here.

    It runs the bundle's configs and code: check only bundles you trust.

    Args:
        bundle: folders of bundles, separated by commas, e.g. an unpacked release; "all": those in `source`.
        source: folder of the bundles.
        model_info: a model_info.json; a version that it lists must have the files that it was released with.

    Raises:
        InputError: a folder is no bundle, or a check failed.
    """
    checks = checks_with(model_info)
    names = option_list(bundle)
    roots = bundle_folders("all", Path(str(source))) if names == ["all"] else [Path(name) for name in names]
    with without_bytecode():
        failed = [title for root in roots for title in failed_checks(root, checks)]
    if failed:
        raise InputError(f"{len(failed)} of {len(checks) * len(roots)} checks failed: see the lines above")


def checks_with(model_info: str) -> dict[str, Check]:
    """The checks, with the one of published versions where a file lists them."""
    if not model_info:
        return CHECKS
    file = Path(str(model_info)).expanduser()
    read_model_info(file)  # a wrong file is no fault of a bundle
    return {**CHECKS, "published versions": partial(check_published, file)}


def failed_checks(root: Path, checks: Mapping[str, Check]) -> list[str]:
    """Run every check on a bundle and say what came of each; returns the titles of those that failed."""
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        bundle = BundleFolder(root, scratch)
        for title, check in checks.items():
            verdict = verdict_of(check, bundle)
            logger.info("%s: %s: %s", bundle.name, title, verdict)
            failed += [title] if verdict.startswith(FAILED) else []
    if bundle.package != PROJECT:
        forget_code(bundle.root, bundle.package)
    return failed


def verdict_of(check: Check, bundle: BundleFolder) -> str:
    """What a check finds, in one line."""
    try:
        with quiet():
            remark = check(bundle)
    except Exception as error:  # MONAI's checks raise anything
        return f"{FAILED}: {reason(error)}"
    return f"{NOTE}: {remark}" if remark else PASSED
