"""NiiVue, the viewer of volumes, from the package that ships it."""

import base64
import gzip
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from ...errors import InputError

PACKAGE, SCRIPT = "ipyniivue", "ipyniivue/static/widget.js"
CLASS = re.compile(r"Creating new Niivue instance.{0,400}?new ([\w$]+)\(", re.DOTALL)
VERSION = re.compile(r'name:"@niivue/niivue",version:"([\w.+-]+)"')
REMEDY = f"pip install {PACKAGE}, or pass --viewer slices"


class ViewerScript(NamedTuple):
    """A module that leaves the class `Niivue` in `globalThis`, gzipped in base64, with its version and licence."""

    gzipped: str
    version: str
    license: str


def viewer_script() -> ViewerScript:
    """NiiVue as the package of Jupyter's widget carries it: a module that exports the widget, not the class.

    So the class's name, which is another in every version, is looked up where the widget makes one. Raises InputError:
    the package is not installed, or holds no such class.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise InputError(f"--viewer niivue needs the package {PACKAGE}: {REMEDY}") from None
    file = Path(str(package.locate_file(SCRIPT)))
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    name = CLASS.search(text)
    if name is None:
        raise InputError(f"{file}: holds no viewer that is known, of {PACKAGE} {package.version}: {REMEDY}")
    found = VERSION.search(text)
    script = f"{text}\n;globalThis.Niivue = {name[1]};\n"
    licences = [one for one in package.files or () if one.name.upper().startswith("LICENSE")]
    words = str(licences[0].read_text()) if licences else package.metadata["License"]
    gzipped = base64.b64encode(gzip.compress(script.encode("utf-8"), 9, mtime=0)).decode("ascii")
    return ViewerScript(gzipped, found[1] if found else f"of {PACKAGE} {package.version}", words.strip())
