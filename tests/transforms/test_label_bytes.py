import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from custom.errors import InputError
from custom.transforms import LabelBytesd


@pytest.mark.parametrize("dtype", [torch.float32, torch.int16, torch.uint8, torch.bool])
def test_classes_keep_their_numbers_and_their_place(dtype):
    affine = torch.diag(torch.tensor([2.0, 1.0, 3.0, 1.0], dtype=torch.float64))
    label = MetaTensor(torch.tensor([[[[0, 1, 200]]]]).to(dtype), affine=affine)
    found = LabelBytesd("label")({"label": label, "image": 5})
    assert found["label"].dtype == torch.uint8
    assert torch.equal(found["label"].as_tensor().to(dtype), label.as_tensor())
    assert torch.equal(found["label"].affine, affine)
    assert found["image"] == 5


@pytest.mark.parametrize("value", [-1, 256, 257, 0.5, np.nan])
def test_what_would_become_another_class(value):
    with pytest.raises(InputError, match="label values are not whole numbers from 0 to 255; correct the label"):
        LabelBytesd("label")({"label": torch.tensor([[[[0.0, value]]]])})
