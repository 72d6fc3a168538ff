"""The name under which a release carries the project's code.

Python, and MONAI Label with it, keeps the first imported package of a name: of two bundles that both carry `custom`, or
of two versions of one bundle, the second would run the code of the first. So each release has a name of its own.
"""

import re
from hashlib import sha256

PROJECT = __name__.partition(".")[0]
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def package_name(bundle: str, version: str) -> str:
    """The package's name in a release, unique to bundle and version, and one that Python can import.

    A bundle called otherwise than a Python package can be gets a few digits that distinguish it from others.

    >>> package_name("batseg_spine", "0.2.0")
    'batseg_spine_0_2_0'
    >>> package_name("2024-hip", "0.2.0")
    '_2024_hip_a67136_0_2_0'
    """
    name = bundle
    if not IDENTIFIER.fullmatch(bundle):
        name = "_" * bundle[:1].isdigit() + as_word(bundle) + "_" + sha256(bundle.encode("utf-8")).hexdigest()[:6]
    return f"{name}_{as_word(version)}"


def as_word(text: str) -> str:
    """Letters, digits and underscores only."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def renamed(text: str, package: str, own: str = PROJECT) -> str:
    """A config, page or source file that names the package `own`, with `package` in its place.

    Imports inside the package are relative and stay as they are; what names it are a config's targets and imports,
    documented commands, and cross-references in docstrings.

    >>> renamed("$import custom.data as data", "spine_1")
    '$import spine_1.data as data'
    >>> renamed("$from custom import data", "spine_1")
    '$from spine_1 import data'
    >>> renamed("python -m custom cohort, a custom. word", "spine_1")
    'python -m spine_1 cohort, a custom. word'
    """
    name = re.escape(own)
    module = rf"(?<![\w./-]){name}(?=\.[A-Za-z_])"  # custom.networks.DistanceHead
    command = rf"(?<=-m ){name}\b"  # python -m custom cohort
    source = rf"(?<=\bfrom ){name}(?= import\b)"  # from custom import data
    whole = rf"(?<=\bimport ){name}(?= as\b|[\"']?\s*$)"  # import custom
    return re.sub("|".join((module, command, source, whole)), package, text, flags=re.MULTILINE)
