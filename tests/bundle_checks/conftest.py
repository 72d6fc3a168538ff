"""`make verify`: what MONAI's model zoo checks of a bundle, and more; nothing is written into its folder.

    pytest tests/bundle_checks [--bundle FOLDER ...] [--model_info FILE]

checks the project's bundles, unpacked releases and bundles made of trainings; it runs their code: trust them first.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from custom.plans import PLAN_FILE
from custom.release.bundle_code import code_folder, importable
from custom.release.metadata import read_metadata
from custom.release.weights import MODEL

from ..bundle_copies import seeded_training
from ..conftest import PROJECT
from ..readme_commands import documented_configs
from ..small_bundle import SHORT_FLARE, TINY_FLARE_PLAN, TINY_PLAN, write_cohort_of_groups, write_dataset

BUNDLES = sorted(file.parents[1] for file in (PROJECT / "bundles").glob("*/configs/metadata.json"))


def pytest_addoption(parser):
    helped = "a bundle's folder, which may be an unpacked release; may be repeated; by default those in bundles/"
    parser.addoption("--bundle", action="append", type=Path, metavar="FOLDER", help=helped)
    helped = "a model_info.json: a version that it lists must have the files that it was released with"
    parser.addoption("--model_info", type=Path, metavar="FILE", help=helped)


def pytest_generate_tests(metafunc):
    roots = [root.resolve() for root in metafunc.config.getoption("--bundle", None) or BUNDLES]
    for root in roots:
        if not (root / "configs" / "metadata.json").is_file():
            raise pytest.UsageError(f"--bundle {root}: there is no configs/metadata.json; pass the folder of a bundle")
    if "names" in metafunc.fixturenames:
        pairs = [(root, names) for root in roots for names in documented_configs(root)]
        ids = [f"{root.name}-{'+'.join(names)}" for root, names in pairs]
        metafunc.parametrize(("root", "names"), pairs, ids=ids, scope="module")
    elif "root" in metafunc.fixturenames:
        metafunc.parametrize("root", roots, ids=[root.name for root in roots], scope="module")


@cache  # reading YAML takes longer than what is done with it
def merged_configs(*files: str) -> dict[str, Any]:
    return ConfigParser.load_config_files(list(files))


class CheckedBundle:
    """Configs, metadata, code and network of a bundle."""

    def __init__(self, root: Path, work: Path) -> None:
        self.root = root
        self.work = work
        self.code = code_folder(root)
        self.package = self.code.name
        self.metadata = read_metadata(root)
        self.metadata_file = str(root / "configs" / "metadata.json")

    def files(self, *names: str) -> list[str]:
        return [str(self.root / "configs" / f"{name}.yaml") for name in names]

    def parser(self, *names: str, **options: Any) -> ConfigParser:
        """The named configs laid over one another, with options."""
        parser = ConfigParser(deepcopy(merged_configs(*self.files(*names))))
        parser.read_meta(self.metadata_file)
        parser.update({"bundle_root": str(self.root), **options})
        return parser

    def module(self, name: str) -> Any:
        """A module of the bundle's code."""
        return import_module(f"{self.package}.{name}")

    @cached_property
    def small(self) -> dict[str, Any]:
        """Options that make any of its configs small, read a toy data set and write elsewhere."""
        ct = self.parser("train").get_parsed_content("planned")["normalisation"] == "ct"
        training = seeded_training(self.root, self.work / "models", TINY_FLARE_PLAN if ct else TINY_PLAN)
        return {
            **SHORT_FLARE,
            "bundle_root": str(self.root),
            "dataset_dir": str(write_dataset(self.work / "dataset")),
            "plan": str(training / PLAN_FILE),
            "ckpt_dir": str(training),
            "output_dir": str(self.work / "output"),
            "work_dir": str(self.work / "work"),
            "masks_dir": str(self.work / "dataset" / "labelsTr"),
        }

    def small_options(self, *names: str) -> dict[str, Any]:
        """The same for the named configs: with an exported network, or of a recipe with its own plans and a cohort."""
        config = merged_configs(*self.files(*names))
        options = {name: value for name, value in self.small.items() if name in config}
        if "cohort" in config:
            del options["plan"]
            planned = {"plan": config["plan"]} if config["plan"] else {}
            every = self.parser("train", **planned).get_parsed_content("planned")["classes"]
            groups = config["groups"] or {"complete": {"annotated": every}, "none": {"any_annotated": False}}
            options["cohort"] = str(write_cohort_of_groups(self.work / "cohort.json", groups))
        if "other_data" in config:  # no training has kept folds here
            options["other_data"] = True
        if "exported" in config:
            exported = self.work / "model.ts"
            options["exported"] = self.module("export").export(self.root, exported, ckpt_dir=self.small["ckpt_dir"])
        return options

    @cached_property
    def weights(self) -> Path:
        """models/model.pt; where there is none, fresh weights of a seed."""
        if (self.root / MODEL).is_file():
            return self.root / MODEL
        return seeded_training(self.root, self.work / "seeded") / "model.pt"


@pytest.fixture(scope="module")
def bundle(root, tmp_path_factory) -> Iterator[CheckedBundle]:
    with importable(root):
        yield CheckedBundle(root, tmp_path_factory.mktemp("checked"))
