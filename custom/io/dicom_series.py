"""DICOM series: which ones a folder holds, where their slices lie, and their voxels.

MONAI's ITKReader takes the first series of a folder for the whole folder, and a stack with missing slices for an even
one; here every series is a scan of its own, and one that is no even stack is refused.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from monai.data.utils import orientation_ras_lps

from ..errors import InputError
from ..progress import with_progress
from .image_formats import ending_of
from .itk_image import read_with, simple_itk

logger = logging.getLogger(__name__)

MAGIC = b"DICM"  # after 128 free bytes; files without it are still found under these names
OLD_ENDINGS = (".dcm", ".ima")
CLASS_TAG = b"\x02\x00\x02\x00UI"  # of what kind a file is, near its begin
VOLUMES = tuple(f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in ("2", "4", "128"))  # slices of CT, MR and PET
NO_SCANS = ("SEG", "RTDOSE", "RTIMAGE")  # modalities
SERIES_UID, SERIES_NUMBER, SERIES_DESCRIPTION, MODALITY = "0020|000e", "0020|0011", "0008|103e", "0008|0060"
SAME_DIRECTION = 1e-3  # by which the direction cosines of a series' slices may differ
EVEN = 0.25  # share of the distance of two slices by which one may lie off its place: rounding reaches 0.16, a gap 0.5
SAME_PLACE = 0.01  # share of the largest distance of two slices

Header = dict[str, str]  # tag -> value


@dataclass(frozen=True)
class Slice:
    """One file of a series, None where it does not say; millimetres, LPS."""

    file: str
    shape: tuple[int, int]  # rows, columns
    frames: int
    channels: int
    spacing: tuple[float, ...] | None  # between rows, between columns
    orientation: tuple[float, ...] | None  # along a row, along a column
    position: tuple[float, ...] | None


@dataclass(frozen=True)
class Series:
    """The files of one series in one folder, by name.

    `alone`: the folder holds no other series. `damaged`: files that cannot be read and may be slices of this one.
    """

    uid: str
    folder: Path
    number: str
    description: str
    alone: bool
    slices: tuple[Slice, ...]
    damaged: tuple[str, ...] = ()

    @property
    def scan(self) -> str:
        """The path of the series in a data list: its folder, or its first file among other series."""
        return str(self.folder) if self.alone else self.slices[0].file

    def __str__(self) -> str:
        about = " ".join(part for part in (self.number, self.description) if part)
        return self.scan if self.alone else f"{self.scan} (series {about or self.uid})"


def series_below(root: Path, leave_out: Callable[[str, str], None] | None = None) -> list[Series]:
    """Every series in a folder and in its sub-folders, sorted by path; what is hidden is left out.

    A series of which each folder holds a part is left out: no part is the scan. `leave_out` is called with the path of
    its first part and the reason, by default with a warning line.

    Raises:
        InputError: there is DICOM, but SimpleITK is missing, or no series is whole.
    """
    shown = with_progress(list(folders_below(root)), "looking for DICOM", "folder", delay=2, leave=False)
    found = [series for folder in shown for series in series_in(folder)]
    parted = _parted(found)
    if parted and all(series.uid in parted for series in found):
        raise InputError(next(iter(parted.values())))
    for uid, line in parted.items():
        if leave_out is None:
            logger.warning("left out: %s", line)
        else:
            leave_out(next(series.scan for series in found if series.uid == uid), line)
    return [series for series in found if series.uid not in parted]


def folders_below(root: Path) -> Iterator[Path]:
    """A folder and all its sub-folders that are not hidden, sorted; each once, as links may lead in a circle."""
    known: set[Path] = set()
    for folder, names, _ in os.walk(root, followlinks=True):
        known.add(Path(folder).resolve())
        visible = sorted(name for name in names if not name.startswith("."))
        names[:] = [name for name in visible if Path(folder, name).resolve() not in known]
        yield Path(folder)


def series_in(folder: str | Path) -> tuple[Series, ...]:
    """The series of a folder, its sub-folders apart, sorted by their first file; other files are ignored.

    Raises:
        InputError: there is DICOM, but SimpleITK is missing.
    """
    path = Path(folder).absolute()
    return _series_in(path, path.stat().st_mtime_ns)


def series_of(scan: str | Path) -> Series:
    """The series at a path of a data list, see `Series.scan`.

    Raises:
        InputError: there is no series at the path, or several.
    """
    path = Path(scan).absolute()
    if path.is_dir():
        found = series_in(path)
        if len(found) == 1:
            return found[0]
        raise InputError(f"{scan}: holds {len(found)} DICOM series; pass a folder of one, or one of its files")
    for series in series_in(path.parent):
        if any(piece.file == str(path) for piece in series.slices):
            return series
    raise InputError(f"{scan}: is no image of a DICOM series; pass a scan")


def is_dicom(file: Path) -> bool:
    """Whether a file says it is DICOM, or may be: by its name, or because it cannot be opened."""
    begin = _begin(file, 132)
    return begin is None or begin[128:] == MAGIC or file.name.lower().endswith(OLD_ENDINGS)


def read_series(scan: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (columns, rows, slices), float32, rescaled to the modality's units, and affine (4 x 4, RAS, mm).

    Raises:
        InputError: there is no series at the path, or the slices are no even stack.
        OSError: a slice cannot be read.
    """
    series = series_of(scan)
    slices = sorted_slices(series)
    sitk = simple_itk(scan)
    rows, columns = slices[0].shape
    voxels = np.empty((len(slices), rows, columns), np.float32)
    for plane, piece in zip(voxels, slices, strict=True):
        image = read_with(sitk, piece.file, outputPixelType=sitk.sitkFloat32)
        plane[:] = sitk.GetArrayFromImage(image).reshape(rows, columns)
    return voxels.T, stack_affine(slices)


def sorted_slices(series: Series) -> list[Slice]:
    """The slices in the order of their places, along the normal of their planes.

    Raises:
        InputError: they are no even stack of parallel grey slices of one size.
    """
    _refuse_no_stack(series)
    orientation = np.array(series.slices[0].orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    slices = sorted(series.slices, key=lambda piece: float(np.dot(normal, np.array(piece.position))))
    positions = np.array([piece.position for piece in slices])
    distances = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    if distances.min() <= SAME_PLACE * distances.max():
        raise InputError(f"{series}: several slices lie at one place; part its time points or echoes into folders")
    even = np.linspace(positions[0], positions[-1], len(positions))
    if np.linalg.norm(positions - even, axis=1).max() > EVEN * np.median(distances):
        raise InputError(
            f"{series}: its {len(slices)} slices lie {distances.min():.4g} to {distances.max():.4g} mm apart, so some "
            "are missing; export the series again"
        )
    return slices


def stack_affine(slices: Sequence[Slice]) -> np.ndarray:
    """From voxels (column, row, slice) to millimetres (RAS), of sorted slices."""
    spacing, orientation = np.array(slices[0].spacing), np.array(slices[0].orientation)
    first, last = np.array(slices[0].position), np.array(slices[-1].position)
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * spacing[1]
    affine[:3, 1] = orientation[3:] * spacing[0]
    affine[:3, 2] = (last - first) / (len(slices) - 1)
    affine[:3, 3] = first
    return orientation_ras_lps(affine)


@lru_cache(maxsize=4096)
def _series_in(folder: Path, _changed: int) -> tuple[Series, ...]:
    """The series of a folder, whose files are read once until it changes."""
    with os.scandir(folder) as entries:
        files = sorted(Path(entry.path) for entry in entries if entry.is_file() and not entry.name.startswith("."))
    files = [file for file in files if not ending_of(file) and is_dicom(file)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        headers = dict(zip(files, pool.map(_header, files), strict=True))
    members: dict[str, list[tuple[Path, Header]]] = {}
    for file, header in headers.items():
        if header and header.get(SERIES_UID) and header.get(MODALITY) not in NO_SCANS:
            members.setdefault(header[SERIES_UID], []).append((file, header))
    damaged = _damaged_of([file for file, header in headers.items() if header is None], list(members))
    return tuple(
        Series(
            uid=uid,
            folder=folder,
            number=found[0][1].get(SERIES_NUMBER, ""),
            description=_utf8(found[0][1].get(SERIES_DESCRIPTION, "")),
            alone=len(members) == 1,
            slices=tuple(_slice(file, header) for file, header in found),
            damaged=tuple(damaged[uid]),
        )
        for uid, found in members.items()
    )


def _parted(found: Sequence[Series]) -> dict[str, str]:
    """Series of which each folder holds a part: UID -> a line; of others in several folders a line is logged.

    Together the parts make one even stack. Time points, copies and stacks of several directions do not: these are
    scans of their own.
    """
    lines = {}
    by_uid: dict[str, list[Series]] = {}
    for series in found:
        by_uid.setdefault(series.uid, []).append(series)
    for uid, parts in by_uid.items():
        if len(parts) == 1:
            continue
        one, other = parts[:2]
        try:
            sorted_slices(replace(one, slices=tuple(piece for part in parts for piece in part.slices), damaged=()))
        except InputError:
            logger.warning("%s and %s are of one DICOM series: each is labelled by itself", one, other)
            continue
        lines[uid] = f"{one}: its series goes on in {other.folder}; put the slices of all {len(parts)} folders into one"
    return lines


def _damaged_of(files: Sequence[Path], uids: Sequence[str]) -> dict[str, list[str]]:
    """Series -> damaged files that name it near their begin, or that name none of the folder's series."""
    damaged: dict[str, list[str]] = {uid: [] for uid in uids}
    for file in files:
        begin = _begin(file, 1 << 16) or b""
        for uid in [uid for uid in uids if uid.encode() in begin] or uids:
            damaged[uid].append(str(file))
        if not uids and _storage_class(file) in VOLUMES:
            logger.warning("left out: %s: is a damaged DICOM file; export it again", file)
    return damaged


def _begin(file: Path, size: int) -> bytes | None:
    """The first bytes of a file, None where it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(size)
    except OSError:
        return None


def _header(file: Path) -> Header | None:
    """The tags of an image, as text; none of what is no image, None of what is or may be a damaged slice."""
    if _begin(file, 1) is None:
        return None
    reader = simple_itk(file).ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None if _storage_class(file) in ("", *VOLUMES) else {}
    return {tag: reader.GetMetaData(tag).strip() for tag in reader.GetMetaDataKeys()}


def _utf8(text: str) -> str:
    """Text without the bytes that SimpleITK leaves of any other character set."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _storage_class(file: Path) -> str:
    """The identifier of a file's kind of content, "" where its first bytes do not say."""
    _, _, value = (_begin(file, 512) or b"").partition(CLASS_TAG)
    length = int.from_bytes(value[:2], "little")
    return value[2 : 2 + length].decode("ascii", "ignore").rstrip("\0 ")


def _slice(file: Path, header: Header) -> Slice:
    return Slice(
        file=str(file),
        shape=(int(header["0028|0010"]), int(header["0028|0011"])),
        frames=int(header.get("0028|0008") or 1),
        channels=int(header.get("0028|0002") or 1),
        spacing=_numbers(header.get("0028|0030"), 2),
        orientation=_numbers(header.get("0020|0037"), 6),
        position=_numbers(header.get("0020|0032"), 3),
    )


def _numbers(text: str | None, count: int) -> tuple[float, ...] | None:
    """Numbers with a backslash between them, or None where they are no numbers or not as many."""
    try:
        values = tuple(float(value) for value in (text or "").split("\\"))
    except ValueError:
        return None
    return values if len(values) == count else None


def _refuse_no_stack(series: Series) -> None:
    """Refuse slices that are no images, or not of one size, spacing and direction."""
    if series.damaged:
        raise InputError(
            f"{series.damaged[0]}: cannot be read and may be a slice of {series}; export the series again, "
            "or move the file away if it is none"
        )
    first = series.slices[0]
    for piece in series.slices:
        if piece.frames > 1:
            raise InputError(f"{piece.file}: holds {piece.frames} frames in one file; convert the series to NIfTI")
        if piece.channels > 1:
            raise InputError(f"{piece.file}: is in colour; pass a series of grey slices")
        if piece.spacing is None or piece.orientation is None or piece.position is None:
            raise InputError(f"{piece.file}: does not say where it lies in the patient; pass a series of CT or MR")
        if piece.shape != first.shape or not np.allclose(piece.spacing, np.array(first.spacing), rtol=1e-3):
            raise InputError(f"{series}: slices differ in size or spacing, {first.file} and {piece.file}; part them")
        if not np.allclose(piece.orientation, np.array(first.orientation), atol=SAME_DIRECTION):
            raise InputError(f"{series}: slices are not parallel, {first.file} and {piece.file}; part them")
    if len(series.slices) < 2:
        raise InputError(f"{series}: has one slice, which is no volume; pass a series of more")
