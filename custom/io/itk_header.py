"""The text headers of MetaImage and NRRD: what ITK passes over in them without a word is refused."""

import logging
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ..errors import InputError
from .image_formats import META_IMAGE_ENDINGS, ending_of

logger = logging.getLogger(__name__)

META_IMAGE_DATA, NRRD_DATA = "elementdatafile", ("data file", "datafile")
VOXEL_SIZE = ("elementspacing", "elementsize", "space directions", "spacings")
UNITS = ("distanceunits", "space units", "units")
MILLIMETRES = ("", "mm", "millimeter", "millimeters", "millimetre", "millimetres", "???", "none", "?")
SCALING = {"elementtointensityfunctionslope": "1", "elementtointensityfunctionoffset": "0"}  # of MetaImage
DIRECTIONS = ("transformmatrix", "rotation", "orientation")  # MetaImage's words for one field
BIG_ENDIAN = ("binarydatabyteordermsb", "elementbyteordermsb")  # likewise
AXES = 3
IN_FILE, LIST = "LOCAL", "LIST"
LONGEST_HEADER = 1 << 20  # bytes
CHUNK = 1 << 20
AUTOMATIC = 47  # zlib's or gzip's header, as MetaIO takes both
EXPORT = "export it again"


class ItkHeader:
    """The fields of a file, keys in lower case, and where its header ends.

    Args:
        file: MetaImage or NRRD.

    Raises:
        OSError: the file cannot be read.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        self.is_meta_image = ending_of(file).lower() in META_IMAGE_ENDINGS
        with self.file.open("rb") as stream:
            text = stream.read(LONGEST_HEADER)
        self.fields, self.length = _fields(text, "=" if self.is_meta_image else ":", self.is_meta_image)
        self.below = text[self.length :]  # a list of files, or voxels

    @property
    def data_file(self) -> str:
        """Where the voxels are: a file, "LIST", a pattern of names; "" for the file of the header itself."""
        keys = (META_IMAGE_DATA,) if self.is_meta_image else NRRD_DATA
        name = next((self.fields[key] for key in keys if key in self.fields), "")
        return "" if name.upper() == IN_FILE else name

    def refuse_unclear(self) -> None:
        """Refuse a header from which ITK makes up the size of a voxel, or of which it does not find the voxels.

        Raises InputError: no voxel size, another unit than millimetres, intensities that are to be scaled, or a missing
        file of voxels.
        """
        if not any(self.fields.get(key) for key in VOXEL_SIZE) or "nan" in self._spacings():
            raise InputError(f"{self.file}: says no voxel size; {EXPORT}, with its spacing in mm")
        for key, neutral in SCALING.items():
            if (value := self.fields.get(key, neutral)) and float(value) != float(neutral):
                raise InputError(f"{self.file}: its intensities need {key} {value}, which ITK leaves out; {EXPORT}")
        units = {unit.strip() for key in UNITS for unit in self._units(key)}
        odd = sorted(units.difference(MILLIMETRES))
        if odd:
            raise InputError(f"{self.file}: its sizes are in {odd[0]}, which ITK takes for mm; {EXPORT} in mm")
        missing = [name for name in self._data_files() if not (self.file.parent / name).is_file()]
        if missing:
            raise InputError(f"{self.file}: its voxels in {missing[0]} are missing; put that file next to it again")

    def warn_of_no_orientation(self) -> None:
        """One line where a file has voxel sizes alone: it is taken to lie as ITK and 3D Slicer take it."""
        keys = DIRECTIONS if self.is_meta_image else ("space",)
        if not any(self.fields.get(key) for key in keys):
            logger.warning("%s: says no orientation; taken as left, posterior, superior, as 3D Slicer does", self.file)

    def refuse_lost_voxels(self, voxels: np.ndarray) -> None:
        """Refuse a MetaImage of which ITK has read other voxels than it holds: ITK goes on after an error.

        Args:
            voxels: as ITK read them, in the order of the file.

        Raises InputError: compressed voxels are damaged, or their length is not stated; a list of files is incomplete.
        """
        if not self.is_meta_image:
            return
        if self._is_list:
            self._refuse_short_list()
        elif self._flag("compresseddata"):
            stored = voxels.byteswap() if any(map(self._flag, BIG_ENDIAN)) else voxels
            if self._checksum() != zlib.crc32(np.ascontiguousarray(stored).data):
                raise InputError(f"{self.file}: its compressed voxels are damaged, or CompressedDataSize is; {EXPORT}")

    @property
    def _is_list(self) -> bool:
        return self.data_file.split()[:1] == [LIST]

    def _refuse_short_list(self) -> None:
        """Refuse a list without its last line break, or with too few files: ITK leaves slices at 0."""
        if not self.below.endswith(b"\n"):
            raise InputError(f"{self.file}: the last line of its list of files lacks a line break; add it")
        sizes = [int(size) for size in self.fields.get("dimsize", "").split()]
        _, _, axes = self.data_file.partition(" ")  # of one file
        needed = math.prod(sizes[int(axes.strip(" Dd")) if axes.strip(" Dd").isdecimal() else -1 :])
        if len(self._data_files()) < needed:
            raise InputError(f"{self.file}: lists {len(self._data_files())} files of {needed}; add the others")

    def _spacings(self) -> list[str]:
        """NRRD's sizes of voxels, of which it writes nan where one is not known; axes of one entry may be of time."""
        sizes, spacings = (self.fields.get(key, "").lower().split() for key in ("sizes", "spacings"))
        return [one for size, one in zip(sizes, spacings, strict=False) if len(sizes) <= AXES or size != "1"]

    def _units(self, key: str) -> list[str]:
        """The units of the axes of space."""
        value = self.fields.get(key, "").lower()
        return value.split('"')[1::2][:AXES] if '"' in value else value.split()[:AXES]

    def _flag(self, key: str) -> bool:
        return self.fields.get(key, "").lower() in ("true", "1", "t")

    def _data_files(self) -> list[str]:
        """The files of voxels, by their names; none of a pattern."""
        name = self.data_file
        if self._is_list:
            return [line.strip() for line in self.below.decode("utf-8", "replace").splitlines() if line.strip()]
        return [name] if name and "%" not in name else []

    def _checksum(self) -> int:
        """CRC-32 of the voxels once they are decompressed, as far as they can be."""
        checksum, inflate = 0, zlib.decompressobj(AUTOMATIC)
        try:
            for chunk in self._compressed():
                checksum = zlib.crc32(inflate.decompress(chunk), checksum)
        except zlib.error:
            return -1
        return checksum

    def _compressed(self) -> Iterator[bytes]:
        source = self.file.parent / self.data_file if self.data_file else self.file
        with source.open("rb") as stream:
            stream.seek(0 if self.data_file else self.length)
            while chunk := stream.read(CHUNK):
                yield chunk


def _fields(text: bytes, separator: str, is_meta_image: bool) -> tuple[Mapping[str, str], int]:
    """Keys, in lower case, with their values, and the length of the header with its last line."""
    fields: dict[str, str] = {}
    length = 0
    for line in text.splitlines(keepends=True):
        length += len(line)
        key, found, value = line.decode("utf-8", "replace").strip().partition(separator)
        if found and not value.startswith("="):  # "key:=value" is free text in NRRD
            fields[key.strip().lower()] = value.strip()
        if _is_last(key.strip().lower(), value.strip(), is_meta_image):
            break
    return fields, length


def _is_last(key: str, value: str, is_meta_image: bool) -> bool:
    """Whether the header ends with a line: voxels or a list of files follow it."""
    if is_meta_image:
        return key == META_IMAGE_DATA
    return not key or (key in NRRD_DATA and value.startswith(LIST))
