"""A bundle's folder as the checks see it."""

from __future__ import annotations

import sys
from copy import deepcopy
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..bundle_configs import config_file
from ..release.bundle_code import code_folder
from ..release.metadata import read_metadata


class BundleFolder:
    """Configs, metadata and code of a bundle, in the project or unpacked from a release.

    Args:
        root: the folder.
        scratch: where checks may write.

    Raises:
        InputError: it is no bundle.
    """

    def __init__(self, root: str | Path, scratch: str | Path) -> None:
        config_file(Path(root), "metadata.json")
        self.root = Path(root).resolve()
        self.scratch = Path(scratch)
        if str(self.root) not in sys.path:  # its own code, of a release
            sys.path.insert(0, str(self.root))

    @property
    def name(self) -> str:
        """The folder's name, which is the bundle's."""
        return self.root.name

    @property
    def metadata_file(self) -> Path:
        """configs/metadata.json."""
        return config_file(self.root, "metadata.json")

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Content of configs/metadata.json.

        Raises:
            InputError: it is no JSON object.
        """
        return read_metadata(self.root)

    @cached_property
    def code(self) -> Path:
        """Folder of the package with its code: of a release the one beside its configs, else the project's."""
        return code_folder(self.root)

    @property
    def package(self) -> str:
        """That package's name."""
        return self.code.name

    @property
    def page(self) -> str:
        """Content of docs/README.md."""
        return (self.root / "docs" / "README.md").read_text(encoding="utf-8")

    def files(self, *names: str) -> list[str]:
        """The named configs' files."""
        return [str(self.root / "configs" / f"{name}.yaml") for name in names]

    def parser(self, *names: str, **overrides: Any) -> ConfigParser:
        """The named configs laid over one another, with `_meta_`, as MONAI's commands read them."""
        parser = ConfigParser(deepcopy(merged_configs(*self.files(*names))))
        parser.read_meta(str(self.metadata_file))
        parser.update({"bundle_root": str(self.root), **overrides})
        return parser


@cache  # checks ask for the same configs again and again, and reading YAML takes longer than what they do with it
def merged_configs(*files: str) -> dict[str, Any]:
    """Configs laid over one another."""
    return ConfigParser.load_config_files(list(files))
