"""Scans of which one that cannot be prepared does not end a run."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import torch
from monai.data import DataLoader, Dataset
from torch.utils.data import Subset

from ..datalist.folder_layouts import image_files
from ..datalist.left_out import reason_of

CASE_NUMBER, LEFT_OUT = "case_number", "left_out"  # keys of an item
KILLED, SHARED_MEMORY = "DataLoader worker (pid", "shared memory"  # in PyTorch's messages


class ScanDataset(Dataset):
    """MONAI's `Dataset` whose items know their number; one that fails is the reason alone, under `LEFT_OUT`.

    The reason is text, as it may have to come back from a data-loading process, which the next scan still needs.

    Args: those of `monai.data.Dataset`.
    """

    def _transform(self, index: int) -> dict[str, Any]:
        """The prepared case. Raises InputError: what fails is not the scan."""
        number = index % len(self.data)
        try:
            return {**super()._transform(index), CASE_NUMBER: number}
        except Exception as error:  # of a damaged file in nibabel, zlib, numpy or MONAI
            return {LEFT_OUT: reason_of(error, self.data[number]), CASE_NUMBER: number}


class ScanLoader(DataLoader):
    """MONAI's `DataLoader` of a `ScanDataset` that goes on where the system kills a loading process for its memory.

    The scan that was to come next is tried again in a process of its own; where that is killed too, it is left out.

    Args: those of `monai.data.DataLoader`; one scan to a batch.
    """

    def __iter__(self) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """The batches, in order."""
        numbers = list(self.sampler)
        source: Any = super().__iter__()
        for place, number in enumerate(numbers):
            try:
                item = next(source)
            except RuntimeError as error:
                if not is_killed_loader(error):
                    raise
                with suppress(RuntimeError):  # it says so once more of every process that it ends
                    source._shutdown_workers()
                item = self._alone(number)
                source = iter(self._of(numbers[place + 1 :], self.num_workers))
            yield item

    def _alone(self, number: int) -> dict[str, Any]:
        source: Any = iter(self._of([number], 1))
        try:
            return next(source)
        except RuntimeError as error:
            if not is_killed_loader(error):
                raise
            with suppress(RuntimeError):
                source._shutdown_workers()
            file = image_files(self.dataset.data[number])[0]  # type: ignore[attr-defined]
            reason = f"{file}: needs more memory than there is (the system killed the process that prepared it)"
            return {LEFT_OUT: [reason], CASE_NUMBER: torch.tensor([number])}

    def _of(self, numbers: Sequence[int], num_workers: int) -> DataLoader:
        return DataLoader(
            Subset(self.dataset, numbers), num_workers, multiprocessing_context=self.multiprocessing_context
        )


def is_killed_loader(error: Exception) -> bool:
    """Whether PyTorch says that a loading process was killed, but not for shared memory, which fails every scan."""
    return KILLED in str(error) and SHARED_MEMORY not in str(error)
