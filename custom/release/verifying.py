"""The command that checks bundles before they are released."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import InputError
from .bundle_folder import BundleFolder
from .quiet import quiet
from .releasing import BUNDLES, bundle_folders
from .verify_configs import check_entries, check_inference_properties, check_train_properties, reason
from .verify_documentation import check_commands, check_sections
from .verify_files import check_files, check_personal_paths
from .verify_metadata import check_agreement, check_schema, check_version
from .verify_network import check_input_and_output, check_onnx, check_torchscript
from .verify_packages import check_packages
from .verify_runs import check_runs

logger = logging.getLogger(__name__)

PASSED, FAILED = "ok", "FAILED"
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
    "network input and output": check_input_and_output,
    "TorchScript export": check_torchscript,
    "ONNX export": check_onnx,
}


def verify(bundle: str | Sequence[str] = "all", source: str = str(BUNDLES)) -> None:
    """Check bundles as MONAI's model zoo does, and more; one line for each check, exit status 1 where one fails.

    Files, version, changelog and metadata, sections and commands of the page, personal paths, every entry of every
    config, MONAI's properties, input and output of the network, TorchScript and ONNX exports. Configs are run small and
    on generated boxes; nothing is written into the bundle.

    Args:
        bundle: folders of bundles, separated by commas, e.g. an unpacked release; "all": those in `source`.
        source: folder of the bundles.

    Raises:
        InputError: a folder is no bundle, or a check failed.
    """
    roots = bundle_folders("all", Path(source)) if bundle == "all" else folders(bundle)
    failed = [title for root in roots for title in failed_checks(root)]
    if failed:
        raise InputError(f"{len(failed)} of {len(CHECKS) * len(roots)} checks failed: see the lines above")


def folders(given: str | Sequence[str]) -> list[Path]:
    """The folders named on the command line."""
    return [Path(part) for part in (given.split(",") if isinstance(given, str) else given)]


def failed_checks(root: Path) -> list[str]:
    """Run every check on a bundle and say what came of each; returns the titles of those that failed."""
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        bundle = BundleFolder(root, scratch)
        for title, check in CHECKS.items():
            verdict = verdict_of(check, bundle)
            logger.info("%s: %s: %s", bundle.name, title, verdict)
            failed += [] if verdict.startswith(PASSED) else [title]
    return failed


def verdict_of(check: Check, bundle: BundleFolder) -> str:
    """What a check finds, in one line."""
    try:
        with quiet():
            remark = check(bundle)
    except Exception as error:  # MONAI's checks raise anything
        return f"{FAILED}: {reason(error)}"
    return f"{PASSED} ({remark})" if remark else PASSED
