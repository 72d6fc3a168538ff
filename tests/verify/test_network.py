"""Exports that differ, and images as small as a network takes."""

import pytest
import torch

from custom.errors import InputError
from custom.verify.bundle_folder import BundleFolder
from custom.verify.network import check_input_and_output, random_image, refuse_difference, weights_file

from ..bundle_copies import change_metadata, fresh_weights


def test_differences_are_refused():
    answer = torch.zeros(1, 2, 3)
    refuse_difference("the ONNX export", answer + 5e-5, answer)
    with pytest.raises(InputError, match=r"the ONNX export differs from the network by 1\.0e-03, allowed are 1e-04"):
        refuse_difference("the ONNX export", answer + 1e-3, answer)
    with pytest.raises(InputError, match="differs from the network by nan"):
        refuse_difference("the ONNX export", answer * torch.nan, answer)
    with pytest.raises(InputError, match=r"answers with shape \(1, 2\), not \(1, 2, 3\)"):
        refuse_difference("the ONNX export", torch.zeros(1, 2), answer)


def test_images_are_small_but_not_too_small(project, tmp_path):
    shapes = [
        tuple(random_image(BundleFolder(project / "bundles" / name, tmp_path)).shape)
        for name in ("batseg_spine", "flare_pseudolabel")
    ]
    assert shapes == [(1, 1, 4, 128, 128), (1, 1, 16, 32, 32)]


def test_shipped_weights_are_used_where_there_are_any(copied, tmp_path):
    root = copied("flare_pseudolabel")
    bundle = BundleFolder(root, tmp_path)
    assert weights_file(bundle) == tmp_path / "model.pt"
    shipped = fresh_weights([root / "configs" / "inference.yaml"], root / "models" / "model.pt")
    assert weights_file(bundle) == shipped


def test_output_that_the_metadata_do_not_state(copied, tmp_path):
    root = copied("flare_pseudolabel")
    bundle = BundleFolder(root, tmp_path)
    formats = bundle.metadata["network_data_format"]
    formats["outputs"]["pred"]["num_channels"] = 3
    formats["inputs"]["image"]["spatial_shape"] = [16, 32, 32]
    change_metadata(root, network_data_format=formats)
    with pytest.raises(ValueError, match="output channel number `15` doesn't match: `3`"):
        check_input_and_output(bundle)
