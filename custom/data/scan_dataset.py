"""Scans of which one that cannot be prepared does not end a run."""

from __future__ import annotations

from typing import Any

from monai.data import Dataset

from ..datalist.left_out import reason_of

CASE_NUMBER, LEFT_OUT = "case_number", "left_out"  # keys of an item


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
