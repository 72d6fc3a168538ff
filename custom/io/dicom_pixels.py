"""Slices whose voxels ITK reads without a word, though they are not what the file means: refused by their bytes."""

import re
from pathlib import Path

from ..errors import InputError

# tags of little-endian files, explicit or implicit; in others nothing is found
MODALITY_TABLE = re.compile(rb"\x28\x00\x00\x30(SQ\0\0)?.{4}\xfe\xff\x00\xe0", re.DOTALL)
PIXEL_DATA = re.compile(rb"\xe0\x7f\x10\x00(O[BW]\0\0)?(?P<length>.{4})", re.DOTALL)


def refuse_misread_pixels(file: str, needed: int) -> None:
    """Refuse a slice that gives its values by a table, or holds less than the `needed` bytes of uncompressed voxels.

    ITK ignores the table (ModalityLUTSequence), and makes up the voxels that are missing.

    Raises:
        InputError: as above.
        OSError: the file cannot be read.
    """
    content = Path(file).read_bytes()
    if MODALITY_TABLE.search(content):
        raise InputError(f"{file}: gives its values by a table (ModalityLUTSequence); export it with a rescale slope")
    for found in PIXEL_DATA.finditer(content):
        length = int.from_bytes(found["length"], "little")
        if length < needed and found.end() + length == len(content):  # the last element of the file, not an icon
            raise InputError(
                f"{file}: holds {length} bytes of voxels where its size needs {needed}; export the series again"
            )
