"""Patches that follow from the seed and their number alone, and how processes share them."""

import nibabel as nib
import numpy as np
import pytest
import torch
import torch.distributed as dist
from monai.data import CacheDataset, DataLoader
from monai.transforms import (
    ClassesToIndicesd,
    Compose,
    EnsureTyped,
    Lambdad,
    LoadImaged,
    RandGaussianNoised,
    ScaleIntensityd,
)
from torch.utils.data import DistributedSampler

from custom.data import EpochSampler, PatchDataset, ValidationSampler
from custom.errors import InputError
from custom.transforms import RandWarpedPatchd

CASES = [{"image": torch.full((1, 4), float(value))} for value in range(5)]


def dataset(seed=0, batch_size=2, noise=1.0):
    steps = [Lambdad("image", lambda x: x * 10), RandGaussianNoised("image", prob=noise, std=0.1)]
    return PatchDataset(CASES, Compose(steps), iterations_per_epoch=6, batch_size=batch_size, seed=seed)


def images(data, **options):
    return [batch["image"].as_tensor() for batch in DataLoader(data, batch_size=2, **options)]


def same(first, second) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_number_of_patches_does_not_depend_on_the_number_of_cases():
    assert len(dataset()) == 12


def test_equal_seeds_give_equal_patches_with_any_number_of_workers():
    assert same(images(dataset()), images(dataset()))
    assert same(images(dataset()), images(dataset(), num_workers=2))
    assert not same(images(dataset()), images(dataset(seed=1)))


def test_patches_do_not_depend_on_what_was_drawn_before():
    data, fresh = dataset(), dataset()
    for index in range(5):
        data[index]
    assert torch.equal(data[7]["image"], fresh[7]["image"])


def test_every_case_is_equally_likely():
    data = dataset(noise=0)
    drawn = [int(data[index]["image"][0, 0]) // 10 for index in range(1000)]
    assert np.allclose(np.bincount(drawn, minlength=5) / 1000, 0.2, atol=0.05)


@pytest.mark.parametrize(
    ("batch_size", "forced"),
    [(2, [False, True]), (3, [False, False, True]), (9, [False] * 6 + [True] * 3)],
)
def test_the_last_third_of_every_batch_is_forced(batch_size, forced):
    """nnU-Net's rule; of a batch of 2 the second."""
    data = dataset(batch_size=batch_size)
    assert [data[index]["forced_foreground"] for index in range(3 * batch_size)] == forced * 3


def test_batches_of_one_are_forced_in_turn():
    data = dataset(batch_size=1)
    assert sum(data.is_forced(index) for index in range(300)) == 99


@pytest.mark.parametrize(("fraction", "forced"), [(0.0, 0), (0.5, 2), (1.0, 4)])
def test_another_share_of_forced_patches(fraction, forced):
    data = PatchDataset(CASES, Compose([]), 1, batch_size=4, forced_fraction=fraction)
    assert sum(data[index]["forced_foreground"] for index in range(4)) == forced


def test_sampler_numbers_patches_over_all_epochs():
    sampler = EpochSampler(dataset())
    assert isinstance(sampler, DistributedSampler), "MONAI tells it the epoch"
    assert list(sampler) == list(range(12))
    sampler.set_epoch(3)
    assert list(sampler) == list(range(24, 36))


def test_processes_share_every_batch(monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(dist, "get_rank", lambda rank=rank: rank)
        shares.append(list(EpochSampler(dataset(batch_size=4))))
        assert len(EpochSampler(dataset(batch_size=4))) == 12
    assert shares[0][:4] == [0, 1, 4, 5]
    assert shares[1][:4] == [2, 3, 6, 7]
    assert sorted(shares[0] + shares[1]) == list(range(24))


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    with pytest.raises(InputError, match="batch_size 3 cannot be shared by 2 processes: pass --batch_size"):
        EpochSampler(dataset(batch_size=3))


def test_torchrun_without_its_overlay_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"add configs/multi_gpu_train.yaml"):
        EpochSampler(dataset())


def test_fewer_validation_cases_than_processes_are_refused(monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    with pytest.raises(InputError, match=r"2 validation case\(s\) cannot be shared by 4 processes: start at most 2"):
        ValidationSampler(CASES[:2])
    none = ValidationSampler([])
    assert len(none) == 0
    assert list(none) == [], "a training may have no validation cases"


def test_no_cases_are_refused():
    with pytest.raises(InputError, match="holds no case; check --dataset_dir and --fold"):
        PatchDataset([], Compose([]), 1, 1)


@pytest.fixture
def scans(tmp_path):
    """Four scans of noise with a block of class 1 in each."""
    cases = []
    for number in range(4):
        random = np.random.default_rng(number)
        label = np.zeros((10, 9, 8), np.uint8)
        label[3:6, 2:5, number : number + 3] = 1
        case = {key: str(tmp_path / key / f"{number}.nii") for key in ("image", "label")}
        for key, voxels in (("image", random.normal(size=label.shape)), ("label", label)):
            (tmp_path / key).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(voxels.astype(np.float32), np.eye(4)), case[key])
        cases.append(case)
    return cases


def patches(cases, **options):
    """Patches of scans: cut and warped, then noise."""
    steps = [
        LoadImaged(["image", "label"], image_only=True, ensure_channel_first=True),
        ScaleIntensityd("image"),
        ClassesToIndicesd("label", num_classes=2),
        RandWarpedPatchd(["image", "label"], (6, 6, 6), modes=["bilinear", "nearest"], rotate_prob=0.5),
        RandGaussianNoised("image", prob=0.5, std=0.1),
        EnsureTyped(["image", "label"], dtype=torch.float32, track_meta=False),
    ]
    return PatchDataset(cases, Compose(steps), 6, batch_size=2, **options)


def test_patches_from_disk_equal_those_from_memory(tmp_path, scans):
    """But for the rounding of the stored image; the same case, place, warp and noise."""
    settings = {"cache_dir": str(tmp_path / "cache"), "cache_settings": {"range": [0, 1]}}
    memory, disk, workers = (
        list(DataLoader(patches(scans, **options), batch_size=2, num_workers=number))
        for options, number in (({}, 0), (settings, 0), (settings, 2))
    )
    for one, other, again in zip(memory, disk, workers, strict=True):
        assert torch.equal(one["label"], other["label"])
        assert torch.allclose(one["image"], other["image"], atol=2e-3)
        assert torch.equal(other["image"], again["image"])


def test_patches_from_disk_are_augmented_in_single_precision(tmp_path, scans):
    """The noise itself has no rounding of half precision."""
    data = patches(scans, cache_dir=str(tmp_path / "cache"), cache_settings={})
    values = torch.stack([data[index]["image"] for index in range(12)])
    assert values.dtype == torch.float32
    assert not torch.equal(values.half().float(), values)


@pytest.mark.parametrize("cache_dir", [None, ""])
def test_without_a_cache_folder_cases_stay_in_memory(scans, cache_dir):
    assert isinstance(patches(scans, cache_dir=cache_dir).cases, CacheDataset)


def test_cache_folder_without_its_settings_is_refused(tmp_path, scans):
    with pytest.raises(InputError, match="needs cache_settings, what a prepared case depends on"):
        patches(scans, cache_dir=str(tmp_path))
