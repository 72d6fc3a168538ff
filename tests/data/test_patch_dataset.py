"""Patches that follow from the seed and their number alone, and how processes share them."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
from monai.data import DataLoader
from monai.transforms import Compose, Lambdad, RandGaussianNoised
from torch.utils.data import DistributedSampler

from custom.data import EpochSampler, PatchDataset, ValidationSampler
from custom.errors import InputError

CASES = [{"image": torch.full((1, 4), float(value))} for value in range(5)]


def dataset(seed=0, batch_size=2, noise=1.0):
    steps = [Lambdad("image", lambda x: x * 10), RandGaussianNoised("image", prob=noise, std=0.1)]
    return PatchDataset(CASES, Compose(steps), iterations_per_epoch=6, batch_size=batch_size, seed=seed, progress=False)


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
    data = PatchDataset(CASES, Compose([]), 1, batch_size=4, forced_fraction=fraction, progress=False)
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
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    with pytest.raises(InputError, match=r"2 validation case\(s\) cannot be shared by 4 processes: start at most 2"):
        ValidationSampler(CASES[:2])


def test_no_cases_are_refused():
    with pytest.raises(InputError, match="holds no case; check --dataset_dir and --fold"):
        PatchDataset([], Compose([]), 1, 1)
