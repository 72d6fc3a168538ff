"""The configs: what MONAI asks of them by name, and every single entry, on a toy data set with a tiny plan."""

import pytest
import torch.distributed as dist
from monai.bundle import ConfigWorkflow

from custom.errors import causes_of

from ..readme_commands import config_files, documented_configs, missing_package

EXECUTED = ("initialize", "run", "finalize")  # they would run the bundle


@pytest.mark.parametrize(
    ("kind", "configs"), [("train", ["train"]), ("train", ["train", "evaluate"]), ("inference", ["inference"])]
)
def test_monai_finds_the_properties_that_it_looks_for(bundle, kind, configs):
    workflow = ConfigWorkflow(
        config_file=bundle.files(*configs),
        meta_file=bundle.metadata_file,
        logging_file=str(bundle.root / "configs" / "logging.conf"),
        workflow_type=kind,
        **bundle.small_options(*configs),
    )
    workflow.initialize()
    assert workflow.check_properties() == []


def test_every_config_is_in_a_documented_command(root):
    used = {name for names in documented_configs(root) for name in names}
    assert [file.name for file in config_files(root) if file.stem not in used] == []


def test_every_entry_can_be_made(bundle, names, request):
    """Of configs laid over one another as a documented command does it."""
    lacking = missing_package(" ".join(names))
    if lacking:
        pytest.skip(f"needs {lacking}")
    if "multi_gpu_train" in names:  # the processes are this one alone
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        request.addfinalizer(dist.destroy_process_group)
    parser = bundle.parser(*names, **bundle.small_options(*names))
    faults = {}
    for entry, content in parser.get().items():
        if entry not in EXECUTED and content not in [f"@{name}" for name in EXECUTED]:
            try:
                parser.get_parsed_content(entry)
            except Exception as error:
                faults[entry] = str(causes_of(error)[-1])
    assert faults == {}


def test_images_are_prepared_as_every_plan_says(bundle):
    for plan in sorted((bundle.root / "configs" / "plans").glob("*.yaml")):
        parser = bundle.parser("train", **{**bundle.small_options("train"), "plan": str(plan)})
        parser.get_parsed_content("train#preprocessing")
