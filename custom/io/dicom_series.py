"""DICOM series: which ones a folder holds, where their slices lie, and their voxels.

MONAI's ITKReader takes the first series of a folder for the whole folder, and a stack with missing slices for an even
one; here every series is a scan of its own, and one that is no even stack is refused.
"""

import filecmp
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from monai.data.utils import orientation_ras_lps

from ..errors import InputError
from ..progress import with_progress
from .dicom_pixels import refuse_misread_pixels
from .folders_below import folders_below
from .image_formats import ending_of
from .itk_image import RENAME, itk_can_open, read_with, simple_itk

logger = logging.getLogger(__name__)

MAGIC = b"DICM"  # after 128 free bytes; files without it are still found under these names
OLD_ENDINGS = (".dcm", ".ima")
CLASS_TAG = b"\x02\x00\x02\x00UI"  # of what kind a file is, near its begin
VOLUMES = tuple(f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in ("2", "4", "128"))  # slices of CT, MR and PET
NO_SCANS = ("SEG", "RTDOSE", "RTIMAGE")  # modalities
SERIES_UID, SERIES_NUMBER, SERIES_DESCRIPTION, MODALITY = "0020|000e", "0020|0011", "0008|103e", "0008|0060"
IMAGE_TYPE, INSTANCE_UID, GREY_VALUES = "0008|0008", "0008|0018", "0028|0004"
EXPORT_GREY = "(MONOCHROME1); export the series as MONOCHROME2"
EXPORT_STRAIGHT = "that are not at right angles; export the series again"
RIGHT_ANGLE = 0.01  # by which the products of the direction cosines may differ from 1 and 0
SAME_DIRECTION = 1e-3  # by which the direction cosines of a series' slices may differ
EVEN = 0.25  # share of the distance of two slices by which one may lie off its place: rounding reaches 0.16, a gap 0.5
SAME_PLACE = 0.01  # share of the largest distance of two slices

Header = dict[str, str]  # tag -> value


@dataclass(frozen=True)
class Slice:
    """One file of a series, None where it does not say; millimetres, LPS.

    `problem`: why it cannot be a slice of a volume, and what to do; "" where nothing is wrong with it.
    """

    file: str
    shape: tuple[int, int]  # rows, columns
    bits: int  # that a voxel takes in the file
    spacing: tuple[float, ...] | None  # between rows, between columns
    orientation: tuple[float, ...] | None  # along a row, along a column
    position: tuple[float, ...] | None
    instance: str  # its identifier, which copies share
    is_localiser: bool
    problem: str


@dataclass(frozen=True)
class Series:
    """The files of one series in one folder, by name.

    `modality`: such as CT or MR, "" where it does not say. `alone`: the folder holds no other series. `damaged`: files
    that cannot be read and may be slices of this one. `notes`: what is left out of it, one line each. Damaged files of
    no known series are one without slices.
    """

    uid: str
    folder: Path
    number: str
    description: str
    alone: bool
    slices: tuple[Slice, ...]
    damaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    modality: str = ""

    @property
    def scan(self) -> str:
        """The path of the series in a data list: its folder, or its first file among other series."""
        is_plain = self.alone and not ending_of(self.folder)  # a folder called ct.nii would be read as a file
        return str(self.folder) if is_plain else self.slices[0].file

    def __str__(self) -> str:
        about = " ".join(part for part in (self.number, self.description) if part)
        return self.scan if self.alone else f"{self.scan} (series {about or self.uid})"


def series_below(root: Path, leave_out: Callable[[str, str], None] | None = None) -> list[Series]:
    """Every series in a folder and in its sub-folders, sorted by path; what is hidden is left out.

    A series of which each folder holds a part is left out: no part is the scan. `leave_out` is called with the path of
    its first part and the reason, or with a folder of damaged files, by default with a warning line. Raises InputError:
    there is DICOM, but SimpleITK is missing, or no series is whole.
    """
    folders = list(folders_below(root, _warn_of_unlisted))
    shown = with_progress(folders, "looking for DICOM", "folder", delay=2, leave=False)
    known = [series for folder in shown for series in _read_folder(folder)]
    found = without_scouts([series for series in known if series.slices])
    leave_out = leave_out or (lambda _, reason: logger.warning("left out: %s", reason))
    for series in known:
        for note in series.notes:
            if series.slices:
                logger.warning("%s", note)
            else:
                leave_out(str(series.folder), note)
    parted = _parted(found)
    if parted and all(series.uid in parted for series in found):
        raise InputError(next(iter(parted.values())))
    for line in dict.fromkeys(parted.values()):
        leave_out(next(series.scan for series in found if parted.get(series.uid) == line), line)
    return [series for series in found if series.uid not in parted]


def without_scouts(found: list[Series]) -> list[Series]:
    """The series that are not of localisers alone, which are named; all of them where there are no others."""
    scouts = [series for series in found if all(piece.is_localiser for piece in series.slices)]
    if len(scouts) == len(found):
        return found
    for series in scouts:
        logger.warning("%s: not a scan: its slices are localisers", series)
    return [series for series in found if series not in scouts]


def _warn_of_unlisted(error: OSError) -> None:
    logger.warning("left out: %s: cannot be listed (%s); correct its permissions", error.filename, error.strerror)


def series_in(folder: str | Path) -> tuple[Series, ...]:
    """The series of a folder, its sub-folders apart, sorted by their first file; other files are ignored.

    Raises InputError: there is DICOM, but SimpleITK is missing.
    """
    return tuple(series for series in _read_folder(folder) if series.slices)


def _read_folder(folder: str | Path) -> tuple[Series, ...]:
    path = Path(folder).absolute()
    return _series_in(path, path.stat().st_mtime_ns)


def series_of(scan: str | Path) -> Series:
    """The series at a path of a data list, see `Series.scan`.

    Raises InputError: there is no series at the path, or several.
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
        refuse_misread_pixels(piece.file, rows * columns * piece.bits // 8)
        try:
            image = read_with(sitk, piece.file, outputPixelType=sitk.sitkFloat32)
        except OSError as error:
            raise OSError(f"{piece.file}: {error}") from error
        plane[:] = sitk.GetArrayFromImage(image).reshape(rows, columns)
    return voxels.T, stack_affine(slices)


def sorted_slices(series: Series) -> list[Slice]:
    """The slices in the order of their places, along the normal of their planes.

    Raises InputError: they are no even stack of parallel grey slices of one size.
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
        names = sorted(entry.path for entry in entries if not entry.name.startswith("."))
    files = [Path(name) for name in names if os.path.isfile(name)]  # noqa: PTH113  # links in a circle are none
    files = [file for file in files if not ending_of(file) and is_dicom(file)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        headers = dict(zip(files, pool.map(_header, files), strict=True))
    members: dict[str, list[tuple[Path, Header]]] = {}
    for file, header in headers.items():
        if header and header.get(SERIES_UID) and header.get(MODALITY) not in NO_SCANS:
            members.setdefault(header[SERIES_UID], []).append((file, header))
    damaged = [file for file, header in headers.items() if header is None]
    by_uid = _damaged_of(damaged, list(members))
    found = [_series(uid, folder, some, len(members) == 1, by_uid[uid]) for uid, some in members.items()]
    nameless = [file for file, header in headers.items() if header and not header.get(SERIES_UID)]
    nameless = [file for file in nameless if _storage_class(file) in VOLUMES]
    if nameless:
        note = f"{nameless[0]}: {len(nameless)} images name no SeriesInstanceUID, so no series; export them again"
        found.append(Series("", folder, "", "", alone=False, slices=(), notes=(note,)))
    lost = [] if members else [file for file in damaged if _storage_class(file) in VOLUMES]
    if lost:
        more = f" (as are {len(lost) - 1} others next to it)" if len(lost) > 1 else ""
        note = f"{lost[0]}: is a damaged DICOM file{more}; {_remedy(lost[0])}"
        found.append(Series("", folder, "", "", alone=False, slices=(), notes=(note,)))
    return tuple(found)


def _series(uid: str, folder: Path, members: Sequence[tuple[Path, Header]], alone: bool, damaged: list[str]) -> Series:
    """A series without localisers among its slices and without copies of them."""
    header = members[0][1]
    slices = [_slice(file, header) for file, header in members]
    stack = [piece for piece in slices if not piece.is_localiser] or slices
    kept: dict[tuple[object, str], list[Slice]] = {}
    for piece in stack:
        there = kept.setdefault((piece.position, piece.instance), [])
        if not any(filecmp.cmp(piece.file, other.file, shallow=False) for other in there):
            there.append(piece)
    distinct = [piece for there in kept.values() for piece in there]
    without = ((len(slices) - len(stack), "localisers"), (len(stack) - len(distinct), "copies of others"))
    return Series(
        uid=uid,
        folder=folder,
        number=header.get(SERIES_NUMBER, ""),
        # without the bytes that SimpleITK leaves of any other character set
        description=header.get(SERIES_DESCRIPTION, "").encode(errors="surrogateescape").decode(errors="replace"),
        alone=alone,
        slices=tuple(sorted(distinct, key=lambda piece: piece.file)),
        damaged=tuple(damaged),
        notes=tuple(f"{folder}: {some} files of a series are left out: {what}" for some, what in without if some),
        modality=header.get(MODALITY, ""),
    )


def _parted(found: Sequence[Series]) -> dict[str, str]:
    """Series of which each folder, or each series, holds a part of one even stack: UID -> a line.

    Of others in several folders a line is logged: time points, copies and stacks of several directions are scans of
    their own.
    """
    lines: dict[str, str] = {}
    by_uid: dict[str, list[Series]] = {}
    single: dict[Path, list[Series]] = {}
    for series in found:
        by_uid.setdefault(series.uid, []).append(series)
        if len(series.slices) == 1:
            single.setdefault(series.folder, []).append(series)
    for folder, parts in single.items():
        if len(parts) > 2 and _are_one_stack(parts):
            line = (
                f"{folder}: its {len(parts)} slices name {len(parts)} series, though they make one stack; "
                "give all of them one SeriesInstanceUID"
            )
            lines |= {part.uid: line for part in parts}
    for uid, parts in by_uid.items():
        if len(parts) == 1:
            continue
        one, other = parts[:2]
        if _are_one_stack(parts):
            lines[uid] = (
                f"{one}: its series goes on in {other.folder}; put the slices of all {len(parts)} folders into one"
            )
        else:
            logger.warning("%s and %s are of one DICOM series: each is labelled by itself", one, other)
    return lines


def _are_one_stack(parts: Sequence[Series]) -> bool:
    try:
        sorted_slices(replace(parts[0], slices=tuple(piece for part in parts for piece in part.slices), damaged=()))
    except InputError:
        return False
    return True


def _damaged_of(files: Sequence[Path], uids: Sequence[str]) -> dict[str, list[str]]:
    """Series -> damaged files that name it near their begin, or that name none of the folder's series."""
    damaged: dict[str, list[str]] = {uid: [] for uid in uids}
    for file in files:
        begin = _begin(file, 1 << 16) or b""
        for uid in [uid for uid in uids if uid.encode() in begin] or uids:
            damaged[uid].append(str(file))
    return damaged


def _remedy(damaged: str | Path) -> str:
    """What helps where a file cannot be read."""
    return "export the series again" if itk_can_open(damaged) else f"its path is not UTF-8: {RENAME}"


def _begin(file: Path, size: int) -> bytes | None:
    """The first bytes of a file, None where it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(size)
    except OSError:
        return None


def _header(file: Path) -> Header | None:
    """The tags of an image, as text; none of what is no image, None of what is or may be a damaged slice."""
    if _begin(file, 1) is None or not itk_can_open(file):
        return None
    reader = simple_itk(file).ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None if _storage_class(file) in ("", *VOLUMES) else {}
    return {tag: reader.GetMetaData(tag).strip() for tag in reader.GetMetaDataKeys()}


def _storage_class(file: Path) -> str:
    """The identifier of a file's kind of content, "" where its first bytes do not say."""
    _, _, value = (_begin(file, 512) or b"").partition(CLASS_TAG)
    length = int.from_bytes(value[:2], "little")
    return value[2 : 2 + length].decode("ascii", "ignore").rstrip("\0 ")


def _slice(file: Path, header: Header) -> Slice:
    return Slice(
        file=str(file),
        shape=(int(header["0028|0010"]), int(header["0028|0011"])),
        bits=int(header.get("0028|0100") or 0),
        spacing=_numbers(header.get("0028|0030"), 2),
        orientation=_numbers(header.get("0020|0037"), 6),
        position=_numbers(header.get("0020|0032"), 3),
        instance=header.get(INSTANCE_UID, ""),
        is_localiser="LOCALIZER" in header.get(IMAGE_TYPE, ""),
        problem=_problem(header),
    )


def _problem(header: Header) -> str:
    """Why a file cannot be a slice of a volume, and what to do."""
    frames, image_type = int(header.get("0028|0008") or 1), header.get(IMAGE_TYPE, "")
    places = [_numbers(header.get(tag), count) for tag, count in (("0028|0030", 2), ("0020|0032", 3), ("0020|0037", 6))]
    axes = np.reshape(places[-1] or (1, 0, 0, 0, 1, 0), (2, 3))
    problems = (
        (frames > 1, f"holds {frames} frames in one file; convert the series to NIfTI"),
        ("MOSAIC" in image_type, "is a mosaic of slices; convert the series to NIfTI"),
        (int(header.get("0028|0002") or 1) > 1, "is in colour; pass a series of grey slices"),
        (header.get(GREY_VALUES) == "MONOCHROME1", f"stores grey values of which the lowest is white {EXPORT_GREY}"),
        (None in places, "does not say where it lies in the patient; pass a series of CT or MR"),
        (not np.allclose(axes @ axes.T, np.eye(2), atol=RIGHT_ANGLE), f"has rows and columns {EXPORT_STRAIGHT}"),
    )
    return next((text for holds, text in problems if holds), "")


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
            f"{series.damaged[0]}: cannot be read and may be a slice of {series}; {_remedy(series.damaged[0])}, "
            "or move the file away if it is none"
        )
    first = series.slices[0]
    for piece in series.slices:
        if piece.problem:
            raise InputError(f"{piece.file}: {piece.problem}")
        assert piece.spacing and piece.orientation and first.spacing and first.orientation
        if piece.shape != first.shape or not np.allclose(piece.spacing, first.spacing, rtol=1e-3):
            raise InputError(f"{series}: slices differ in size or spacing, {first.file} and {piece.file}; part them")
        if not np.allclose(piece.orientation, first.orientation, atol=SAME_DIRECTION):
            raise InputError(f"{series}: slices are not parallel, {first.file} and {piece.file}; part them")
    if len(series.slices) < 2:
        raise InputError(f"{series}: has one slice, which is no volume; pass a series of more")
