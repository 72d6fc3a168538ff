"""Exported networks answer as PyTorch does on windows of real scans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import ResizeWithPadOrCrop

from custom.export import export, load_exported

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Case:
    """A bundle's network, a scan, and the window of it that the network sees; None: the config's own patch."""

    bundle: str
    overlay: str
    scan: str
    patch: tuple[int, ...] | None = None
    settings: dict[str, Any] = field(default_factory=dict)


CT = {"intensity": "$data.FLARE22_INTENSITY"}
CASES = {
    "hippocampus": Case("batseg_spine", "hippocampus", "hippocampus/imagesTr/*.nii.gz"),
    "small": Case("flare_pseudolabel", "", "ct/abdomen.nii.gz", settings=CT),
    "spine": Case("batseg_spine", "", "spine/t2_lumbar*"),
    "big_part": Case("flare_pseudolabel", "big", "ct/abdomen.nii.gz", (16, 96, 96), CT),
}
SLOW = ("spine", "big_part")


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES]
)
def prepared(request, project, shared_data, tmp_path_factory):
    """The network with seeded weights, these in a file, and the middle of the scan as inference prepares it."""
    case = CASES[request.param]
    root = project / "bundles" / case.bundle
    names = ["inference", *([case.overlay] if case.overlay else [])]
    parser = ConfigParser()
    parser.read_config([str(root / "configs" / f"{name}.yaml") for name in names])
    parser.update(case.settings)
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def").eval()
    folder = tmp_path_factory.mktemp(request.param)
    torch.save(network.state_dict(), folder / "model.pt")
    (scan, *_) = sorted(shared_data.glob(case.scan))
    image = parser.get_parsed_content("preprocessing")({"image": str(scan)})["image"]
    patch = case.patch or parser.get_parsed_content("patch_size")
    window = ResizeWithPadOrCrop(patch)(image)
    window = (window.as_tensor() if isinstance(window, MetaTensor) else window)[None]
    assert window.std() > 0.3, "something is to be seen"
    with torch.no_grad():
        return case, root, folder, window, network(window)


@pytest.mark.parametrize("ending", ["ts", "pt2", "onnx"])
def test_equal_to_eager(prepared, ending):
    case, root, folder, window, expected = prepared
    file = export(str(root), str(folder / f"model.{ending}"), str(folder / "model.pt"), case.overlay)
    with torch.no_grad():
        result = load_exported(file)(window)
    assert expected.std() > 0.1, "weights that answer something"
    assert result.shape == expected.shape
    assert result.dtype == torch.float32
    # seeded weights of the big network give logits up to 50, which float32 itself has off by 0.8e-4
    largest = float(expected.abs().max())
    torch.testing.assert_close(result, expected, atol=TOLERANCE * max(1.0, largest / 25), rtol=0)
    torch.testing.assert_close(result.softmax(dim=1), expected.softmax(dim=1), atol=TOLERANCE, rtol=0)
