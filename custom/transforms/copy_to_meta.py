"""What a case says of its scan, kept with the image: MONAI's engines pass on images alone."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform


class CopyToMetad(MapTransform):
    """Copy an entry of the case, where it has one, into the metadata of its images."""

    def __init__(self, keys: KeysCollection, entry: str, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.entry = entry

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The case, its images with the entry in their metadata."""
        if self.entry in data:
            for key in self.key_iterator(data):
                data[key].meta[self.entry] = data[self.entry]
        return dict(data)
