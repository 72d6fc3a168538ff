"""The name under which a release carries the project's code.

Python, and MONAI Label with it, keeps the first imported package of a name: of two bundles that both carry `custom`, or
of two versions of one bundle, the second would run the code of the first. So each release has a name of its own.
"""

from __future__ import annotations

import re

PROJECT = __name__.partition(".")[0]
MODULE = re.compile(rf"(?<![\w./-]){PROJECT}(?=\.[A-Za-z_])")  # custom.networks.DistanceDynUNet
COMMAND = re.compile(rf"(?<=-m ){PROJECT}\b")  # python -m custom cohort


def package_name(bundle: str, version: str) -> str:
    """The package's name in a release, unique to bundle and version.

    >>> package_name("batseg_spine", "0.2.0")
    'batseg_spine_0_2_0'
    """
    return re.sub(r"\W", "_", f"{bundle}_{version}")


def renamed(text: str, package: str) -> str:
    """A config, page or source file with the project's package called `package`.

    Imports inside the package are relative and stay as they are; what names it are a config's targets and imports,
    documented commands, and cross-references in docstrings.

    >>> renamed("$import custom.data as data", "spine_1")
    '$import spine_1.data as data'
    >>> renamed("python -m custom cohort, a custom. word", "spine_1")
    'python -m spine_1 cohort, a custom. word'
    """
    return COMMAND.sub(package, MODULE.sub(package, text))
