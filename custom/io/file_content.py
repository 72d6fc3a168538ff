"""What a file really is, by its first bytes: half of all unreadable scans are something else under a scan's name."""

import re
from pathlib import Path

from ..errors import InputError
from .image_formats import META_IMAGE_ENDINGS, NRRD_ENDINGS, ending_of

BEGIN = 540  # bytes: the header of the second NIfTI version
AGAIN = "copy or export it again"
# what there is, how it begins, and what helps
CONTENTS = (
    ("nothing", re.compile(rb"\Z"), AGAIN),
    ("NIfTI", re.compile(rb"(\x5c\x01\0\0|\0\0\x01\x5c|\x1c\x02\0\0|\0\0\x02\x1c)"), "rename it to end in .nii"),
    ("gzip data", re.compile(rb"\x1f\x8b"), "rename it to end in .nii.gz, or decompress it"),
    ("NRRD", re.compile(rb"NRRD\d{4}"), "rename it to end in .nrrd, or .nhdr if a header alone"),
    ("MetaImage", re.compile(rb"(ObjectType|NDims)\s*="), "rename it to end in .mha, or .mhd if a header alone"),
    ("DICOM", re.compile(rb".{128}DICM", re.DOTALL), "give it the ending .dcm, or none"),
    ("a zip archive", re.compile(rb"PK\x03\x04"), "unpack it"),
    ("a pointer of Git LFS", re.compile(rb"version https://git-lfs"), "fetch the file itself with `git lfs pull`"),
    ("a web page", re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE), AGAIN),
)


def refuse_other_content(file: str | Path) -> None:
    """Refuse a file that is of another format than its ending says.

    Raises:
        InputError: it is of a format that is known; an unknown one is left to the reader.
        OSError: it cannot be read.
    """
    with Path(file).open("rb") as stream:
        begin = stream.read(BEGIN)
    expected = _expected(file)
    for name, pattern, remedy in CONTENTS:
        if pattern.match(begin):
            if name != expected:
                raise InputError(f"{file}: cannot be read (it holds {name}, not {expected}); {remedy}")
            return


def _expected(file: str | Path) -> str:
    ending = ending_of(file).lower()
    if ending in NRRD_ENDINGS:
        return "NRRD"
    if ending in META_IMAGE_ENDINGS:
        return "MetaImage"
    return "gzip data" if ending.endswith(".gz") else "NIfTI"
