"""The page of a bundle on the Hugging Face hub."""

import re

import yaml

from ..errors import InputError

LINK = re.compile(r"(?<=\]\()(?=[\w./-]+\.(?:png|md|csv|html)[)#])")  # to a file next to the page, which lies in docs
LICENCES = {"Apache License": "apache-2.0", "MIT License": "mit"}


def model_card(page: str, licence: str) -> str:
    """The bundle's docs/README.md, as a page above docs, under the front matter that MONAI's hub pages have.

    Raises InputError: the licence is none that the hub has a short name for here.
    """
    known = [short for title, short in LICENCES.items() if title in licence]
    if not known:
        raise InputError(f"LICENSE is none of {', '.join(LICENCES)}: name its identifier on the hub in {__name__}")
    matter = {"tags": ["monai", "medical"], "library_name": "monai", "license": known[0]}
    return f"---\n{yaml.safe_dump(matter, sort_keys=False)}---\n\n{LINK.sub('docs/', page)}"
