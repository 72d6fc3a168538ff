"""Files that a bundle needs, and what must not be in them."""

from __future__ import annotations

from ..engines.large_files import LARGE_FILES
from ..errors import InputError
from ..release.contents import bundle_contents, code_contents
from ..release.personal_paths import personal_paths
from ..release.weights import BESIDE, MODEL
from .bundle_folder import BundleFolder

NECESSARY = (
    *("LICENSE", "configs/metadata.json", "configs/logging.conf", "configs/train.yaml", "configs/inference.yaml"),
    *("configs/evaluate.yaml", "configs/multi_gpu_train.yaml", "docs/README.md", "docs/data_license.txt"),
)


def check_files(bundle: BundleFolder) -> None:
    """Every file that MONAI, its model zoo and MONAI Label look for is there and not empty."""
    files = [bundle.root / name for name in NECESSARY]
    missing = [str(file.relative_to(bundle.root)) for file in files if not file.is_file() or not file.stat().st_size]
    if missing:
        raise InputError(f"{', '.join(missing)}: missing or empty; add what other bundles have there")


def check_personal_paths(bundle: BundleFolder) -> None:
    """No file that is released, code and what lies beside the weights included, holds a path of somebody's machine."""
    others = [bundle.root / LARGE_FILES, *((bundle.root / MODEL).with_name(name) for name in BESIDE)]
    files = bundle_contents(bundle.root, bundle.package) | code_contents(bundle.package, bundle.code)
    files |= {file.relative_to(bundle.root).as_posix(): file.read_bytes() for file in others if file.is_file()}
    found = personal_paths(files, bundle.root)
    if found:
        raise InputError(f"{found[0]} is a path of somebody's machine; write a placeholder such as /path/to/dataset")
