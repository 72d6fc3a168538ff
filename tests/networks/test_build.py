"""Networks from plans: data alone, and every mistake in one line."""

import pytest
import torch
from monai.bundle import ConfigParser
from monai.networks.nets import DynUNet, MedNeXt, SwinUNETR

from custom.errors import InputError
from custom.networks import DistanceHead, NativeScaleDynUNet, build_network
from custom.networks.build import MONAI_NETWORKS, OWN_NETWORKS

from .architectures import MEDNEXT, NAMES, OURS, SWIN, UNETR

PATCH = [32, 32, 64]


@pytest.mark.parametrize(("architecture", "kind"), [(OURS, NativeScaleDynUNet), (SWIN, SwinUNETR), (MEDNEXT, MedNeXt)])
def test_a_class_with_the_plans_channels(architecture, kind):
    network = build_network(architecture, 2, 4, PATCH).eval()
    assert type(network) is kind
    with torch.no_grad():
        assert network(torch.rand(1, 2, *PATCH)).shape == (1, 4, *PATCH)


@pytest.mark.parametrize(("row", "millions"), [("swin_unetr", 62.2), ("mednext", 17.6)])
def test_networks_of_the_study_have_as_many_parameters_as_published(project, row, millions):
    """Of Hatamizadeh et al. (2022) with 14 outputs, of the study's five a few hundred less; Roy et al. (2023)."""
    study = ConfigParser.load_config_file(project / "bundles" / "batseg_spine" / "configs" / "study.yaml")
    network = build_network(study[row], 1, 5, [32, 192, 256])
    assert sum(one.numel() for one in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_the_size_of_the_image_is_the_patch_where_a_network_wants_it():
    network = build_network(UNETR, 1, 2, PATCH)
    assert tuple(network.feat_size) == (2, 2, 4)


def test_every_network_that_is_known_is_tested():
    assert set(NAMES) == {*OWN_NETWORKS, *MONAI_NETWORKS}


def test_options_are_those_of_the_class():
    options = {"convolutions": 3, "norm_name": ["GROUP", {"num_groups": 2}], "dropout": None}
    network = build_network({**OURS, **options}, 1, 2, PATCH)
    other = NativeScaleDynUNet(
        3, 1, 2, OURS["kernel_size"], OURS["strides"], OURS["filters"], 3, norm_name=("GROUP", {"num_groups": 2})
    )
    assert {name: v.shape for name, v in network.state_dict().items()} == {
        name: v.shape for name, v in other.state_dict().items()
    }


@pytest.mark.parametrize("architecture", [OURS, {"name": "SegResNet"}, SWIN], ids=lambda one: one["name"])
def test_dropout_has_the_name_of_the_class(architecture):
    network = build_network(architecture, 1, 2, PATCH, dropout=0.25)
    assert any(isinstance(one, torch.nn.modules.dropout._DropoutNd) and one.p == 0.25 for one in network.modules())
    plain = build_network(architecture, 1, 2, PATCH)
    network.load_state_dict(plain.state_dict(), strict=True)


def test_a_distance_head_where_it_has_channels():
    network = build_network(MEDNEXT, 1, 3, PATCH, distance_channels=1, distance_activation="linear")
    assert isinstance(network, DistanceHead)
    assert (network.head.out_channels, network.activation) == (1, "linear")
    assert network.head.bias.tolist() == [0]


def test_monais_dynunet_is_ours_with_its_own_decoder_kernels():
    """Ours follow nnU-Net: those of the encoder's level."""
    kernels = OURS["kernel_size"]
    assert build_network(OURS, 1, 2, PATCH).decoder_kernel_size == kernels[:-1]
    monais = build_network({**OURS, "name": "DynUNet", "upsample_kernel_size": OURS["strides"][1:]}, 1, 2, PATCH)
    assert type(monais) is DynUNet
    same = build_network({**OURS, "decoder_kernel_size": kernels[1:]}, 1, 2, PATCH)
    shapes = [tuple(one.upsamples[-1].conv_block.conv1.conv.weight.shape) for one in (monais, same)]
    assert shapes[0] == shapes[1] == (4, 8, 3, 3, 3)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("SwinUNETR", r"architecture is 'SwinUNETR': give a network's name and its options"),
        ({"feature_size": 24}, "give a network's name and its options"),
        ({"name": "SwinUnetr"}, r"no network 'SwinUnetr' \(did you mean SwinUNETR\?\); there are NativeScaleDynUNet, "),
        ({"name": "os.system"}, "there is no network 'os.system'"),
        ({"name": "TorchVisionFCModel"}, "there is no network 'TorchVisionFCModel'"),
        ({**MEDNEXT, "init_filter": 8}, r"MedNeXt has no option 'init_filter' \(did you mean init_filters\?\)"),
        ({**OURS, "upsample_kernel_size": [2, 2]}, "NativeScaleDynUNet has no option 'upsample_kernel_size'"),
        (
            {"name": "NativeScaleDynUNet", "filters": [4, 8, 16]},
            "NativeScaleDynUNet needs kernel_size and strides",
        ),
        ({**SWIN, "in_channels": 2}, "leave out in_channels of SwinUNETR: it follows from"),
        ({"name": "FlexibleUNet", "backbone": "efficientnet-b0", "pretrained": True}, "leave out pretrained"),
        ({**OURS, "filters": "$open('/etc/passwd')"}, r"filters holds \"\$open\('/etc/passwd'\)\"; give numbers"),
        ({**OURS, "filters": [4, "@filters"]}, "filters holds '@filters'"),
        ({**OURS, "norm_name": ["group", {"_target_": 2}]}, "norm_name holds '_target_'"),
        ({**OURS, "norm_name": torch.nn.Identity}, "norm_name holds <class"),
        (
            {**OURS, "filters": [4, 8]},
            "NativeScaleDynUNet: filters, strides and kernel_size are lists of three levels or more",
        ),
        ({**OURS, "convolutions": 1}, "convolutions is 1; give 2 or more"),
        ({**OURS, "act_name": "nothing"}, "act_name nothing, .*: Unsupported option 'NOTHING'"),
        ({**SWIN, "feature_size": 13}, "feature_size 13, .*: feature_size should be divisible by 12"),
        (
            {**SWIN, "patch_size": 3},
            r"patch_size \[32, 32, 64\] does not fit the network: pass multiples of \[243, 243",
        ),
    ],
)
def test_mistakes_are_one_line(architecture, message):
    with pytest.raises(InputError, match=message) as caught:
        build_network(architecture, 1, 3, PATCH)
    assert "\n" not in str(caught.value)


def test_dropout_that_a_network_does_not_have():
    with pytest.raises(InputError, match="MedNeXt has no dropout"):
        build_network(MEDNEXT, 1, 3, PATCH, dropout=0.2)
