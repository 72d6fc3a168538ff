"""Low resolution: what stays, what is lost, and where."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from custom.transforms import RandLowResolutiond
from custom.transforms.rand_low_resolution import low_resolution


def test_full_zoom_and_constant_images_are_unchanged():
    image = torch.rand(1, 6, 8, 10)
    assert torch.allclose(low_resolution(image, 1.0), image, atol=1e-6)
    assert torch.allclose(low_resolution(torch.full((1, 6, 8, 10), 3.0), 0.5), torch.tensor(3.0))


def test_half_zoom_removes_a_checkerboard():
    board = torch.from_numpy(np.indices((8, 8, 8)).sum(0) % 2).float()[None]
    assert low_resolution(board, 0.5).std() == 0, "every voxel kept has one colour"


@pytest.mark.parametrize("zoom", [0.5, 0.6, 0.75])
def test_a_ramp_is_not_shifted(zoom):
    """A shift against the label would show as a constant difference in the middle."""
    ramp = torch.arange(64.0).reshape(1, 1, 64).expand(1, 64, 64).contiguous()
    difference = (low_resolution(ramp, zoom) - ramp)[0, :, 16:48]
    assert abs(difference.mean()) < 0.51


def test_thin_axis_keeps_its_slices():
    image = torch.rand(1, 4, 1, 1).expand(1, 4, 16, 16).contiguous()
    assert torch.allclose(low_resolution(image, 0.5), image, atol=1e-6)
    thick = torch.rand(1, 8, 1, 1).expand(1, 8, 16, 16).contiguous()
    assert not torch.allclose(low_resolution(thick, 0.5), thick, atol=1e-2)


def test_probability_and_metadata():
    image = MetaTensor(torch.rand(1, 8, 8, 8), affine=torch.diag(torch.tensor([2.0, 1, 1, 1])))
    always, never = RandLowResolutiond("image", prob=1.0), RandLowResolutiond("image", prob=0.0)
    always.set_random_state(0)
    result = always({"image": image})["image"]
    assert isinstance(result, MetaTensor)
    assert result.pixdim[0] == 2
    assert not torch.equal(result.as_tensor(), image.as_tensor())
    assert never({"image": image})["image"] is image
