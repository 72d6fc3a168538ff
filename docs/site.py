"""Brings pages from elsewhere in the project into the site (a hook of mkdocs), with working links between them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

PROJECT = Path(__file__).resolve().parents[1]
PAGES = {  # in the site -> in the project
    "index.md": "README.md",
    "batseg_spine.md": "bundles/batseg_spine/docs/README.md",
    "batseg_results.md": "bundles/batseg_spine/docs/results.md",
    "flare_pseudolabel.md": "bundles/flare_pseudolabel/docs/README.md",
    "hippocampus.png": "bundles/batseg_spine/docs/hippocampus.png",
    "phantoms.png": "bundles/flare_pseudolabel/docs/phantoms.png",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
PAGES |= {  # scores behind the results, and reports
    file.name: file.relative_to(PROJECT).as_posix()
    for pattern in ("scores/*.csv", "*.html")
    for file in sorted((PROJECT / "bundles/batseg_spine/docs").glob(pattern))
}
LINK = re.compile(r"(?<=\]\()([\w./-]+\.(?:md|png|ipynb|csv|html))(?=[)#])")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages."""
    for name, source in PAGES.items():
        files.append(File.generated(config, name, abs_src_path=str(PROJECT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Make links between files of the project links between pages of the site."""
    folder = (PROJECT / PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}")).parent
    names = {PROJECT / source: name for name, source in PAGES.items()}

    def linked(found: re.Match[str]) -> str:
        file = (folder / found[1]).resolve()
        inside = file.relative_to(PROJECT / "docs").as_posix() if file.is_relative_to(PROJECT / "docs") else found[1]
        return names.get(file, inside)

    return LINK.sub(linked, markdown)
