import json

from custom.bundle_configs import config_file
from custom.export.plan_metadata import plan_metadata

from ..small_bundle import TINY_PLAN


def test_classes_channels_and_patch_are_the_plans(project):
    """A file of a network for other structures would say that it finds the bundle's."""
    stated = json.loads(config_file(project / "bundles" / "batseg_spine", "metadata.json").read_text())
    plan = {**TINY_PLAN, "classes": ["left_part", "right_adrenal"], "channels": ["T1", "T2"], "patch_size": [8, 16, 24]}
    found = plan_metadata(stated, plan, "Parts")
    image, prediction = (found["network_data_format"][kind] for kind in ("inputs", "outputs"))
    assert image["image"]["num_channels"] == len(image["image"]["channel_def"]) == 2
    names = ["background", "left part", "right adrenal gland"]
    assert list(prediction["pred"]["channel_def"].values()) == names
    assert prediction["pred"]["num_channels"] == 3
    assert image["image"]["spatial_shape"] == prediction["pred"]["spatial_shape"] == [8, 16, 24]
    assert (found["name"], found["eval_metrics"]) == ("Parts", {})
    assert "tumour" not in found["task"] + found["label_classes"] + found["pred_classes"]
    assert stated["name"] != "Parts", "what is given stays as it is"


def test_of_the_bundles_own_classes_the_words_stay(project):
    stated = json.loads(config_file(project / "bundles" / "batseg_spine", "metadata.json").read_text())
    prediction = stated["network_data_format"]["outputs"]["pred"]
    classes = [name.replace(" ", "_") for name in list(prediction["channel_def"].values())[1:]]
    plan = {**TINY_PLAN, "classes": classes, "channels": ["MR"], "patch_size": [8, 16, 24]}
    assert plan_metadata(stated, plan, stated["name"])["label_classes"] == stated["label_classes"]
