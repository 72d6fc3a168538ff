"""nnU-Net's plans as ours: entry by entry for a hand-written file, what has no counterpart by message."""

import copy

import pytest

from custom.errors import InputError
from custom.plans import checked
from custom.plans.nnunet_plans import nnunet_from_plan, plan_from_nnunet

from .nnunet_files import nnunet_dataset, nnunet_plans

KERNELS, STRIDES = [[1, 3, 3], [3, 3, 3], [3, 3, 3]], [[1, 1, 1], [1, 2, 2], [2, 2, 2]]


def ours(plans=None, dataset=None, configuration="3d_fullres", orientation="LPS", mirror=(0, 1)):
    plan = plan_from_nnunet(plans or nnunet_plans(), dataset or nnunet_dataset(), configuration, orientation, mirror)
    return checked(plan, "test")


def test_entry_by_entry():
    """SimpleITK's arrays of LPS files are S, P, L; transposed by 2, 0, 1 they are L, S, P."""
    plan = ours()
    assert plan["classes"] == ["liver", "tumour"]
    assert plan["channels"] == ["CT"]
    assert plan["orientation"] == "LSP"
    assert plan["spacing"] == [4.0, 1.5, 1.0]
    assert (plan["patch_size"], plan["batch_size"], plan["mirror_axes"]) == ([8, 32, 16], 3, [0, 1])
    assert plan["normalisation"] == "ct"
    assert plan["intensity"] == {"lower": -150.0, "upper": 250.0, "mean": 40.0, "sd": 60.0}
    assert plan["network"] == {
        "name": "NativeScaleDynUNet",
        **{"filters": [4, 8, 16], "strides": STRIDES, "kernel_size": KERNELS, "convolutions": 2},
    }
    assert plan["distance_channels"] == 0


def test_scans_that_nnunet_turned_need_no_orientation():
    plan = ours({**nnunet_plans(), "image_reader_writer": "NibabelIOWithReorient"}, orientation="")
    assert plan["orientation"] == "RSA"


def test_plans_before_2_4():
    """Features double up to the most; of a residual network the encoder's numbers are of blocks."""
    old = {
        "UNet_class_name": "ResidualEncoderUNet",
        **{"UNet_base_num_features": 8, "unet_max_num_features": 16},
        **{"conv_kernel_sizes": KERNELS, "pool_op_kernel_sizes": STRIDES},
        **{"n_conv_per_stage_encoder": [1, 3, 4], "n_conv_per_stage_decoder": [1, 1]},
    }
    plans = nnunet_plans(**old)
    del plans["configurations"]["3d_fullres"]["architecture"]
    assert ours(plans)["network"] == {
        "name": "ResidualEncoderUNet",
        **{"filters": [8, 16, 16], "strides": STRIDES, "kernel_size": KERNELS, "blocks": [1, 3, 4]},
    }


def test_what_a_configuration_inherits():
    plans = nnunet_plans()
    plans["configurations"]["3d_large"] = {"inherits_from": "3d_fullres", "batch_size": 5}
    plan = ours(plans, configuration="3d_large")
    assert (plan["batch_size"], plan["patch_size"]) == (5, [8, 32, 16])


def test_the_ignored_label_is_no_class():
    labels = {"background": 0, "liver": 1, "ignore": 2}
    assert ours(dataset=nnunet_dataset(labels=labels))["classes"] == ["liver"]


def test_other_words_for_the_same():
    """A label in a list of one, several channels of one name, statistics and options by their older names."""
    plans = with_architecture(nonlin_kwargs=None, norm_op="torch.nn.InstanceNorm3d")
    plans["foreground_intensity_properties_by_modality"] = plans.pop("foreground_intensity_properties_per_channel")
    assert ours(plans, nnunet_dataset(labels={"background": 0, "a": [1], "b": 2})) == {**ours(), "classes": ["a", "b"]}
    mr = nnunet_plans(normalization_schemes=["ZScoreNormalization"] * 3)
    channels = {"0": "MR", "1": "CT", "2": "MR"}
    assert ours(mr, nnunet_dataset(channel_names=channels))["channels"] == ["MR_0", "CT", "MR_2"]


def with_architecture(**changed):
    plans = nnunet_plans()
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"].update(changed)
    return plans


TWO = {"0": "T1", "1": "T2"}
ZSCORE = {"normalization_schemes": ["ZScoreNormalization"]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"configuration": "3d_lowres"}, "plans.json has no configuration '3d_lowres'; it has 3d_fullres"),
        ({"plans": nnunet_plans(patch_size=[8, 8])}, "configuration 3d_fullres is two-dimensional"),
        ({"plans": nnunet_plans(previous_stage="3d_lowres")}, "also takes the segmentation of 3d_lowres"),
        ({"orientation": "LPSR"}, "orientation is 'LPSR'; pass three letters such as RAS"),
        (
            {"plans": nnunet_plans(resampling_fn_data="no_resampling_hack")},
            "resampling_fn_data is no_resampling_hack; only resample_data_or_seg_to_shape can be taken over",
        ),
        ({"plans": nnunet_plans(preprocessor_name="Mine")}, "preprocessor_name is Mine; only DefaultPreprocessor"),
        ({"orientation": ""}, "SimpleITKIO leaves scans as their files are oriented, .* pass --dataset_dir"),
        ({"plans": {**nnunet_plans(), "image_reader_writer": "Tiff3DIO"}}, "image_reader_writer is Tiff3DIO"),
        ({"dataset": nnunet_dataset(labels={"background": 0, "all": [1, 2]})}, "all is a region of several labels"),
        ({"dataset": nnunet_dataset(labels={"background": 0, "a": 1, "b": 3})}, r"labels are \[1, 3\]; classes are"),
        (
            {
                "plans": nnunet_plans(normalization_schemes=["CTNormalization"] * 2),
                "dataset": nnunet_dataset(channel_names=TWO),
            },
            "normalised by CTNormalization, CTNormalization: a plan has z-score for all channels, or CT for one",
        ),
        ({"plans": nnunet_plans(normalization_schemes=["NoNormalization"])}, "normalised by NoNormalization"),
        ({"plans": nnunet_plans(**ZSCORE, use_mask_for_norm=[True])}, "use_mask_for_norm is true"),
        ({"plans": with_architecture(dropout_op="torch.nn.Dropout3d")}, "dropout_op is torch.nn.Dropout3d; only None"),
        ({"plans": with_architecture(nonlin_first=True)}, "nonlin_first is True; only None can be taken over"),
        ({"plans": with_architecture(nonlin=None)}, "nonlin is None; only torch.nn.LeakyReLU can be taken over"),
        ({"plans": with_architecture(n_conv_per_stage=[2, 3, 3])}, "levels differ in their numbers of convolutions"),
    ],
)  # fmt: skip
def test_what_has_no_counterpart(given, message):
    with pytest.raises(InputError, match=message):
        ours(**given)


def test_another_class_of_network():
    plans = nnunet_plans()
    plans["configurations"]["3d_fullres"]["architecture"]["network_class_name"] = "somewhere.Primus"
    with pytest.raises(
        InputError, match="the network is Primus; PlainConvUNet and ResidualEncoderUNet can be taken over"
    ):
        ours(plans)


@pytest.mark.parametrize("name", ["NativeScaleDynUNet", "ResidualEncoderUNet"])
def test_there_and_back(name):
    plan = ours({**nnunet_plans(), "image_reader_writer": "NibabelIOWithReorient"})
    if name == "ResidualEncoderUNet":
        del plan["network"]["convolutions"]
        plan["network"] |= {"name": name, "blocks": [1, 2, 1]}
    before = copy.deepcopy(plan)
    plans, dataset = nnunet_from_plan(plan)
    assert plans["transpose_forward"] == [2, 0, 1]
    assert plans["transpose_backward"] == [1, 2, 0]
    assert plan == before
    again = ours(plans, dataset, orientation="")
    assert again == before


def test_axes_that_nnunet_does_not_turn():
    with pytest.raises(
        InputError, match="the plan's orientation is LSP: nnU-Net's axes point to S, A, R, in any order"
    ):
        nnunet_from_plan(ours())


def test_normalisations_that_nnunet_would_do_otherwise():
    plan = ours(orientation="RAS")
    with pytest.raises(InputError, match="the plan has no intensity, the statistics that CT is normalised with"):
        nnunet_from_plan({**plan, "intensity": None})
    cropped = {**plan, "normalisation": "zscore", "fingerprint": {"relative_size_after_cropping": 0.5}}
    with pytest.raises(InputError, match="cropping to non-zero voxels leaves, here 50% of a scan"):
        nnunet_from_plan(cropped)


def test_scans_are_resampled_linearly_along_thick_slices_too():
    settings = nnunet_from_plan(ours(orientation="RAS"))[0]["configurations"]["3d_fullres"]
    for key in ("resampling_fn_data_kwargs", "resampling_fn_probabilities_kwargs"):
        assert settings[key] == {"is_seg": False, "order": 1, "force_separate_z": False}


def test_networks_that_nnunet_has_not():
    plan = ours(orientation="RAS")
    for network, what in (
        ({"name": "SwinUNETR"}, "SwinUNETR"),
        ({**plan["network"], "res_block": True}, "res_block True"),
    ):
        with pytest.raises(InputError, match=f"nnU-Net has no network of {what}"):
            nnunet_from_plan({**plan, "network": network})
