"""The page on the hub."""

import pytest
import yaml

from custom.errors import InputError
from custom.release.model_card import model_card


def test_front_matter_stands_before_the_page(project):
    licence = (project / "LICENSE").read_text()
    first, matter, page = model_card("# Model Overview\n\n---\ntext\n", licence).split("---\n", 2)
    assert first == ""
    assert yaml.safe_load(matter) == {"tags": ["monai", "medical"], "library_name": "monai", "license": "apache-2.0"}
    assert page == "\n# Model Overview\n\n---\ntext\n"


def test_unknown_licence():
    with pytest.raises(InputError, match="LICENSE is none of"):
        model_card("page", "all rights reserved")


def test_pictures_are_found_from_the_folder_above_the_page():
    page = model_card("![a scan](scan.png) [a page](https://host/scan.png)", "Apache License")
    assert page.endswith("![a scan](docs/scan.png) [a page](https://host/scan.png)")


def test_so_are_pages_and_data():
    page = model_card("[results](results.md#spine), [scores](scores/a.csv), [web](https://host/a.md)", "MIT License")
    assert page.endswith("[results](docs/results.md#spine), [scores](docs/scores/a.csv), [web](https://host/a.md)")
