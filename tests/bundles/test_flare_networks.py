"""The shipped configs of flare_pseudolabel: the paper's networks and training, and overlays that fit."""

import math
import re

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from custom.cohort.manifest import FLARE_CLASSES, Cohort, default_group_rules

LEFT_RIGHT = 2  # of (superior-inferior, anterior-posterior, right-left)


def shipped(project, *names) -> ConfigParser:
    """Configs as they are, without the overlay of the tests."""
    parser = ConfigParser()
    parser.read_config([str(project / "bundles" / "flare_pseudolabel" / "configs" / f"{name}.yaml") for name in names])
    return parser


# Tables 4 and 5 of the paper
SMALL = {
    "spacing": [4.0, 1.2, 1.2],
    "patch_size": [32, 128, 192],
    "filters": [16, 32, 64, 128, 256],
    "strides": [1, [1, 2, 2], 2, 2, 2],
    "kernel_size": [[1, 3, 3], 3, 3, 3, 3],
    "convolutions": 2,
}
BIG = {
    "spacing": [2.5, 0.8, 0.8],
    "patch_size": [48, 224, 224],
    "filters": [32, 64, 128, 256, 512, 512],
    "strides": [1, [1, 2, 2], 2, 2, 2, [1, 2, 2]],
    "convolutions": 3,
}
TRAINING = {"batch_size": 2, "epochs": 1000, "iterations_per_epoch": 250, "learning_rate": 0.01}
NETWORK_OVERLAYS = [None, "big", "phantoms", "hippocampus"]


@pytest.mark.parametrize("config", ["train", "inference"])
@pytest.mark.parametrize(("overlays", "expected", "least", "most"), [([], SMALL, 5.625, 5.635), (["big"], BIG, 82, 85)])
def test_networks_are_those_of_the_paper(project, config, overlays, expected, least, most):
    """Least and most: millions of parameters."""
    parser = shipped(project, config, *overlays)
    wanted = {**expected, **(TRAINING if config == "train" else {})}
    assert {key: parser.get_parsed_content(key) for key in wanted} == wanted
    network = parser.get_parsed_content("network_def")
    count = sum(parameter.numel() for parameter in network.parameters())
    assert least < count / 1e6 < most
    kernels = [tensor for tensor in network.parameters() if tensor.dim() == 5 and tensor.numel() > 100_000]
    assert len(kernels) > 8
    for kernel in kernels:
        deviation = math.sqrt(2 / kernel[0].numel())
        assert float(kernel.detach().std()) == pytest.approx(deviation, rel=0.01), "He-normal initialisation"


def test_training_is_that_of_the_paper(flare):
    parser = flare.parser("train")
    optimizer = parser.get_parsed_content("optimizer")
    group = optimizer.param_groups[0]
    assert isinstance(optimizer, torch.optim.SGD)
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.99, True, 3e-5)
    factor = flare.parser("train", epochs=1000).get_parsed_content("lr_scheduler").lr_lambdas[0]
    assert [factor(epoch) for epoch in (0, 500)] == pytest.approx([1, 0.5**0.9])


@pytest.mark.parametrize("overlay", NETWORK_OVERLAYS)
def test_left_and_right_are_never_exchanged_where_they_are_classes(project, flare, overlay):
    names = ["train", *([overlay] if overlay else [])]
    axes = shipped(project, *names).get_parsed_content("mirror_axes")
    sided = any("left" in name for name in shipped(project, *names).get_parsed_content("class_names"))
    assert sided == (overlay != "hippocampus")
    assert (LEFT_RIGHT in axes) != sided
    parser = flare.parser("train", mirror_axes=axes, normalisation="zscore")
    flips = [t for t in parser.get_parsed_content("train#preprocessing").transforms if type(t).__name__ == "RandFlipd"]
    assert [flip.flipper.spatial_axis for flip in flips] == axes
    inferer = flare.parser("inference", mirror_axes=axes, mirrored="true").get_parsed_content("inferer")
    assert list(inferer.mirror_axes) == axes


@pytest.mark.parametrize("overlay", NETWORK_OVERLAYS)
def test_every_overlay_gives_train_and_inference_the_same_data_and_network(project, overlay):
    configs = [shipped(project, config, *([overlay] if overlay else [])) for config in ("train", "inference")]
    first, second = ({k: v.shape for k, v in c.get_parsed_content("network_def").state_dict().items()} for c in configs)
    assert first == second
    common = set(configs[0].config) & set(configs[1].config)
    own = {"dataset_dir", "output_dir", "num_workers", "initialize", "run", "intensity", "imports"}
    settings = sorted(key for key in common - own if not isinstance(configs[0][key], dict))
    assert {"spacing", "patch_size", "normalisation", "class_names", "tubular", "windows"} <= set(settings)
    assert {key: configs[0][key] for key in settings} == {key: configs[1][key] for key in settings}
    patch = np.asarray(configs[0].get_parsed_content("patch_size"))
    strides = [np.broadcast_to(stride, 3) for stride in configs[0].get_parsed_content("strides")]
    assert (patch % np.prod(strides, axis=0) == 0).all(), "the patch is a multiple of the total stride"
    tolerances = configs[0].get_parsed_content("nsd_tolerance_mm")
    assert isinstance(tolerances, float) or len(tolerances) == len(configs[0].get_parsed_content("class_names"))
    magnitude, spacing = (configs[0].get_parsed_content(f"elastic_{key}") for key in ("magnitude", "spacing"))
    assert magnitude <= 0.4 * spacing, "the deformation folds nothing"


@pytest.mark.parametrize(
    ("overlay", "bases"),
    [
        ("big", ["inference", "train", "evaluate"]),
        ("phantoms", ["inference", "train", "evaluate"]),
        ("hippocampus", ["inference", "train", "evaluate"]),
        ("demo", ["pipeline"]),
        ("pipeline_hippocampus", ["pipeline"]),
    ],
)
def test_overlays_set_only_what_there_is(project, overlay, bases):
    """Or what they themselves refer to: a name misspelt would change nothing, silently."""
    known = set(shipped(project, *bases).config)
    own = shipped(project, overlay).config
    referred = set(re.findall(r"@(\w+)", str(own)))
    assert set(own) <= known | referred


def test_the_default_classes_are_flares_and_the_default_groups_are_the_papers(project):
    assert tuple(shipped(project, "train").get_parsed_content("class_names")) == FLARE_CLASSES
    cohort = Cohort("FLARE", FLARE_CLASSES, (14,), ())
    assert shipped(project, "pipeline").get_parsed_content("groups") == default_group_rules(cohort)
