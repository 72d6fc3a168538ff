"""The part of a volume that is kept when its empty border is cut away."""

import pickle

import numpy as np
import torch
from monai.transforms import CropForeground

from custom.transforms import is_nonzero

VOLUME = np.zeros((1, 5, 6, 7), np.float32)
VOLUME[0, 1, 2:4, 3] = (-1000, 40)


def test_a_volume_is_cropped_to_what_is_not_zero_also_below():
    for volume in (VOLUME, torch.from_numpy(VOLUME)):
        assert np.asarray(is_nonzero(volume)).sum() == 2
        cropped = CropForeground(is_nonzero, allow_smaller=False)(volume)
        assert np.asarray(cropped).tolist() == [[[[-1000.0], [40.0]]]]


def test_it_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(is_nonzero)) is is_nonzero
