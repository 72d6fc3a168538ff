import pytest
import torch
from monai.data import MetaTensor

from custom.transforms import CopyToMetad


@pytest.mark.parametrize("case", [{"name": "a.nii.gz"}, {}])
def test_an_entry_goes_with_the_image(case):
    data = {"image": MetaTensor(torch.zeros(1, 2, 2, 2), meta={"known": 1}), **case}
    found = CopyToMetad("image", "name")(data)
    assert {key: value for key, value in found.items() if key != "image"} == case
    assert {key: found["image"].meta.get(key) for key in ("known", "name")} == {"known": 1, "name": case.get("name")}
