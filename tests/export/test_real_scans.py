"""Exported networks answer as PyTorch does, on windows of real scans and on whole ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.bundle import run as run_bundle
from monai.data import MetaTensor
from monai.transforms import ResizeWithPadOrCrop

from custom.data import FLARE22_INTENSITY
from custom.export import export, load_exported

from ..bundle_copies import seeded_training

TOLERANCE = {"ts": 0.0, "pt2": 0.0, "onnx": 1e-4}  # of logits


@dataclass(frozen=True)
class Case:
    """A bundle's network, a scan, and the window of it that the network sees; None: the config's own patch."""

    bundle: str
    plan: str
    scan: str
    patch: tuple[int, ...] | None = None
    steps: int = 0  # of training, on seeded weights
    endings: tuple[str, ...] = ("ts", "pt2", "onnx")


CASES = {
    "hippocampus": Case("batseg_spine", "hippocampus", "hippocampus/imagesTr/*.nii.gz"),
    "coarse": Case("flare_pseudolabel", "phantoms", "ct/abdomen.nii.gz"),
    # the largest one in the one format whose rounding grows with it
    "big_part": Case("flare_pseudolabel", "big", "ct/abdomen.nii.gz", (16, 64, 64), steps=2, endings=("onnx",)),
}
LEARNT = (16, 64, 64)  # voxels in the middle of the window


@dataclass(frozen=True)
class Prepared:
    """Seeded weights in a folder, and what their network answers to the middle of the scan as inference prepares it."""

    case: Case
    root: Path
    folder: Path
    scan: Path
    window: torch.Tensor
    expected: torch.Tensor

    def exported(self, ending: str) -> str:
        """The network's file, written once."""
        file = self.folder / f"model.{ending}"
        if not file.exists():
            export(str(self.root), str(file), str(self.folder))
        return str(file)

    def label_map(self, kind: str, *overlays: str, **options: Any) -> np.ndarray:
        """What `inference` writes for the whole scan."""
        run_bundle(
            config_file=[str(self.root / "configs" / f"{name}.yaml") for name in ("inference", *overlays)],
            bundle_root=str(self.root),
            dataset_dir=str(self.scan),
            output_dir=str(self.folder / kind),
            ckpt_dir=str(self.folder),
            cpu_bfloat16=False,
            num_workers=0,
            validate_data=False,
            **options,
        )
        return np.asarray(nib.load(self.folder / kind / self.scan.name).dataobj)


def train(network: torch.nn.Module, window: torch.Tensor, steps: int) -> None:
    """Teach bands of intensity.

    Seeded weights that have learnt nothing amplify: a relative change of the image, or of anything by the rounding of a
    convolution, leaves the big network 32 times as large; after one step of training 10 times, after two 5, after four
    3. The logits reach 50 before and after. Against float64, PyTorch's own float32 is off by 8e-5 before and by 4e-5
    after, onnxruntime's as much, and between them lie 1.1e-4 (1.6e-4 on the whole patch) before, 4e-5 (6e-5) after.
    """
    image = ResizeWithPadOrCrop(LEARNT)(window[0])[None]
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    network.train()
    for _ in range(steps):
        logits = network(image)[0]  # of several resolutions, the finest comes first
        levels = torch.linspace(0, 1, logits.shape[1] + 1)[1:-1]
        bands = torch.bucketize(image[:, 0].contiguous(), image.flatten().quantile(levels))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, bands).backward()
        optimizer.step()
    network.eval()


@pytest.fixture(scope="module")
def prepare(project, shared_data, tmp_path_factory) -> Callable[[str], Prepared]:
    """Name of a case -> the case, made once: pytest makes a fixture with parameters again for every pair of them."""
    return cache(lambda name: prepared_case(CASES[name], project, shared_data, tmp_path_factory.mktemp(name)))


@pytest.fixture
def prepared(request, prepare) -> Prepared:
    return prepare(request.param)


def prepared_case(case: Case, project: Path, shared_data: Path, folder: Path) -> Prepared:
    root = project / "bundles" / case.bundle
    seeded_training(root, folder, case.plan, intensity=FLARE22_INTENSITY)
    parser = ConfigParser()
    parser.read_config(str(root / "configs" / "inference.yaml"))
    parser.update({"bundle_root": str(root), "ckpt_dir": str(folder)})
    (scan, *_) = sorted(shared_data.glob(case.scan))
    image = parser.get_parsed_content("preprocessing")({"image": str(scan)})["image"]
    patch = case.patch or parser.get_parsed_content("patch_size")
    window = ResizeWithPadOrCrop(patch)(image)
    window = (window.as_tensor() if isinstance(window, MetaTensor) else window)[None]
    assert window.std() > 0.3, "something is to be seen"
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def").eval()
    if case.steps:
        train(network, window, case.steps)
    torch.save(network.state_dict(), folder / "model.pt")
    with torch.no_grad():
        return Prepared(case, root, folder, scan, window, network(window))


@pytest.mark.parametrize(
    ("prepared", "ending"), [(name, ending) for name in CASES for ending in CASES[name].endings], indirect=["prepared"]
)
def test_equal_to_eager(prepared, ending):
    with torch.no_grad():
        result = load_exported(prepared.exported(ending))(prepared.window)
    assert prepared.expected.std() > 0.1, "weights that answer something"
    assert result.shape == prepared.expected.shape
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, prepared.expected, atol=TOLERANCE[ending], rtol=0)


@pytest.mark.parametrize(("prepared", "ending"), [("hippocampus", "pt2"), ("coarse", "onnx")], indirect=["prepared"])
def test_whole_scans_get_the_same_label_map(prepared, ending):
    """Neighbouring windows, mirrored, put together on the scan's own grid."""
    expected = prepared.label_map("eager")
    assert len(np.unique(expected)) > 2, "several classes"
    result = prepared.label_map(ending, "inference_exported", exported=prepared.exported(ending))
    assert np.array_equal(result, expected)
