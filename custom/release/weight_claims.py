"""Sentences on a bundle's pages that deny its weights, which a bundle with weights must not carry."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

logger = logging.getLogger(__name__)

PAGES = re.compile(r"(docs|models)/[^/]+\.(md|txt)")
SENTENCE_END = re.compile(r"(?<=[.!?:])\s+|\n\s*\n")
# "no trained weights", "no data and no weights", "without weights", "weights are not shipped"
DENIAL = re.compile(
    r"\b(?:no|without) (?:\w+ ){0,2}weights\b|\bweights (?:are|is) not (?:shipped|included)\b", re.IGNORECASE
)


def weight_claims(contents: Mapping[str, bytes]) -> list[str]:
    """Each sentence that says there are no weights, as `docs/README.md says "No trained weights are shipped."`.

    Args:
        contents: path in the bundle -> content; what is no page is passed over.
    """
    found = []
    for path in sorted(filter(PAGES.fullmatch, contents)):
        sentences = [" ".join(part.split()) for part in SENTENCE_END.split(contents[path].decode("utf-8"))]
        found += [f'{path} says "{sentence}"' for sentence in sentences if DENIAL.search(sentence)]
    return found


def contradiction(contents: Mapping[str, bytes]) -> str:
    """One line on the pages of a bundle with weights that deny them; nothing where none does."""
    claims = weight_claims(contents)
    return f"it has weights, but {'; '.join(claims)}: say there what they were trained on" if claims else ""


def warn_of_claims(bundle: str, contents: Mapping[str, bytes]) -> None:
    """Warn in one line where a bundle with weights denies them."""
    line = contradiction(contents)
    if line:
        logger.warning("%s: %s", bundle, line)
