"""Training patches: any number per epoch, each determined by the seed and its number alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import monai.data
import numpy as np
import torch
from monai.data import CacheDataset
from monai.transforms import CastToTyped, Compose, RandomizableTrait
from torch.utils.data import Dataset, DistributedSampler

from ..errors import InputError
from ..processes import is_first, rank, together, world_size
from .disk_cache import DiskCache

FORCED_FRACTION = 0.33  # of every batch, as in nnU-Net: one of two patches


class PatchDataset(Dataset):
    """Patch number i of a training, drawn from a case of its own, whatever worker, process or session asks for it.

    Its case, its place and its augmentation follow from (seed, i). So two runs with one seed are equal with any number
    of workers, a resumed run goes on as if never interrupted, and processes that share a batch draw what one would.
    As in nnU-Net every case is equally likely, with replacement, and the last patches of every batch must
    contain foreground (key `forced_foreground`); MONAI's samplers do not know a patch's position in the batch.

    Args:
        data: dictionaries of "image" and "label".
        transform: a `Compose`; what precedes its first random transform is computed once per case and cached.
        iterations_per_epoch: batches in an epoch.
        batch_size: patches in a batch, over all processes.
        forced_fraction: share of every batch, its end, that must contain foreground.
        seed: of the whole training.
        cache_rate: fraction of the cases kept in memory.
        num_workers: threads that fill the cache.
        cache_dir: folder of a `DiskCache` that takes the place of the memory, for more cases than fit into it; None or
            empty: none. Its images have half precision; so the "image" is cast to float32 after the first random
            transform, which is to cut the patch.
        cache_settings: with `cache_dir`, everything that the preparation of a case depends on, such as its spacing.

    Raises InputError: no case, or `cache_dir` without `cache_settings`.
    """

    def __init__(
        self,
        data: Sequence[dict[str, Any]],
        transform: Compose,
        iterations_per_epoch: int,
        batch_size: int,
        forced_fraction: float = FORCED_FRACTION,
        seed: int = 0,
        cache_rate: float = 1.0,
        num_workers: int | None = 1,
        cache_dir: str | None = None,
        cache_settings: Mapping[str, Any] | None = None,
    ) -> None:
        if not data:
            raise InputError("train#dataset#data holds no case; check --dataset_dir and --fold")
        first_random = transform.get_index_of_first(lambda step: isinstance(step, RandomizableTrait))
        prepare = Compose(transform.transforms[:first_random])
        augment = list(transform.transforms[first_random:]) if first_random is not None else []
        self.cases: CacheDataset | DiskCache
        if cache_dir:
            if cache_settings is None:
                raise InputError(
                    f"cache_dir {cache_dir} needs cache_settings, what a prepared case depends on (spacing, "
                    "intensities): a change of them would go unnoticed; pass both or neither"
                )
            self.cases = DiskCache(data, prepare, cache_dir, cache_settings, num_workers)
            augment.insert(1, CastToTyped("image", torch.float32))
        else:
            self.cases = CacheDataset(
                data, prepare, cache_rate=cache_rate, num_workers=num_workers, progress=is_first(), copy_cache=False
            )
        self.augment = Compose(augment)
        self.iterations_per_epoch = iterations_per_epoch
        self.batch_size = batch_size
        self.forced_fraction = forced_fraction
        self.seed = seed

    def __len__(self) -> int:
        """Patches in an epoch."""
        return self.iterations_per_epoch * self.batch_size

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Patch `index` of the training, counted from its first epoch on: an epoch holds `len(self)` of them."""
        random = np.random.RandomState(np.random.SeedSequence([self.seed, index]).generate_state(8))
        case = dict(self.cases[random.randint(len(self.cases))])
        case["forced_foreground"] = self.is_forced(index)
        self.augment.set_random_state(state=random)
        return self.augment(case)

    def is_forced(self, index: int) -> bool:
        """Whether patch `index` must contain foreground: the end of its batch, or a share of batches of one."""
        if self.batch_size == 1:
            return int((index + 1) * self.forced_fraction) > int(index * self.forced_fraction)
        return index % self.batch_size >= round(self.batch_size * (1 - self.forced_fraction))


class ValidationSampler(monai.data.DistributedSampler):
    """Shares the cases of a validation among processes, each case once.

    Args:
        dataset: the cases.

    Raises InputError: when there are fewer cases than processes, but some; MONAI's own error names neither.
    """

    def __init__(self, dataset: Dataset) -> None:
        cases, processes = len(dataset), world_size()  # type: ignore[arg-type]
        self.cases = cases
        if not cases:  # which MONAI's refuses
            return
        if cases < processes:
            raise InputError(
                f"{cases} validation case(s) cannot be shared by {processes} processes: start at most {cases}"
            )
        super().__init__(dataset, even_divisible=False, shuffle=False)

    def __iter__(self) -> Iterator[int]:
        """The numbers of this process's cases."""
        return super().__iter__() if self.cases else iter(())

    def __len__(self) -> int:
        """How many they are."""
        return super().__len__() if self.cases else 0


class EpochSampler(DistributedSampler):
    """The patch numbers of an epoch in order; each process takes its own share of every batch.

    It is a `DistributedSampler` so that MONAI's trainers set its epoch (1 is the first).

    Args:
        dataset: the patches.

    Raises InputError: when the batch cannot be shared equally, or several processes do not know of each other.
    """

    def __init__(self, dataset: PatchDataset) -> None:
        replicas = world_size()
        if replicas > 1 and not together():
            raise InputError(
                "torchrun started several processes that would each train alone: "
                "add configs/multi_gpu_train.yaml to --config_file"
            )
        if dataset.batch_size % replicas:
            raise InputError(
                f"batch_size {dataset.batch_size} cannot be shared by {replicas} processes: "
                f"pass --batch_size with a multiple of {replicas}"
            )
        super().__init__(dataset, num_replicas=replicas, rank=rank(), shuffle=False)
        self.epoch = 1
        self.batch_size = dataset.batch_size
        self.share = dataset.batch_size // replicas

    def __iter__(self) -> Iterator[int]:
        """Patch numbers of the current epoch for this process."""
        patches = len(self) * self.num_replicas
        numbers = torch.arange((self.epoch - 1) * patches, self.epoch * patches).reshape(-1, self.batch_size)
        return iter(numbers[:, self.rank * self.share : (self.rank + 1) * self.share].flatten().tolist())
