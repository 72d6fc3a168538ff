"""Configs made small."""

import pytest

from custom.verify.bundle_folder import BundleFolder
from custom.verify.small_run import class_names, scratch_values, small_values


@pytest.fixture
def flare(project, tmp_path) -> BundleFolder:
    return BundleFolder(project / "bundles" / "flare_pseudolabel", tmp_path)


def test_only_what_a_config_has_is_set(flare):
    training, inference, pipeline = (small_values(flare, name) for name in ("train", "inference", "pipeline"))
    assert training["epochs"] == 1 and "epochs" not in inference
    assert inference["patch_size"] == [8, 8, 8]
    assert pipeline.keys() == {"training", "inference", "runtime"}
    assert pipeline["training"]["epochs"] == 1
    for names, values in ((["train"], training), (["inference"], inference)):
        assert values.keys() <= flare.parser(*names).get().keys()


def test_everything_is_written_in_the_scratch_folder(flare):
    for names in (["train"], ["train", "hippocampus"], ["pipeline"]):
        for value in scratch_values(flare, *names).values():
            assert value.startswith(str(flare.scratch))


def test_classes_are_those_of_the_overlays(flare):
    assert len(class_names(flare, "train")) == 14
    assert len(class_names(flare, "pipeline")) == 14
    assert class_names(flare, "pipeline", "pipeline_hippocampus") == ["anterior", "posterior"]
