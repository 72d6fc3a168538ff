"""Each way in which a disk refuses a file, told apart and in one line."""

import errno
import os

import pytest

from custom.errors import InputError
from custom.io.write_errors import reporting_unwritable

ELSEWHERE = "pass another --output_dir"


def line_of(error, file="/out/a.nii.gz"):
    with pytest.raises(InputError) as caught, reporting_unwritable(file, ELSEWHERE):
        raise error
    assert caught.value.__cause__ is error
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, f"free space or {ELSEWHERE}"),
        (errno.EDQUOT, f"free space of your quota or {ELSEWHERE}"),
        (errno.EROFS, ELSEWHERE),
        (errno.EACCES, f"correct the permissions or {ELSEWHERE}"),
        (errno.ENAMETOOLONG, "shorten the name of the scan or of the folder"),
        (errno.EMFILE, "raise the limit of open files (ulimit -n) or lower num_workers"),
        (errno.ENOTDIR, ELSEWHERE),
    ],
)
def test_the_systems_words_and_what_helps(number, remedy):
    words = os.strerror(number)
    assert line_of(OSError(number, words)) == f"/out/a.nii.gz cannot be written ({words}): {remedy}"


def test_a_name_that_is_too_long_is_no_full_disk(tmp_path):
    file = tmp_path / ("n" * 300)
    with pytest.raises(InputError, match=r"\(File name too long\): shorten the name"), reporting_unwritable(file):
        file.touch()


def test_a_library_without_words_of_the_system():
    error = RuntimeError("Exception thrown in SimpleITK WriteImage:\nitk::ERROR: x\nReason: failed to write to file")
    assert line_of(error) == f"/out/a.nii.gz cannot be written (failed to write to file): free space or {ELSEWHERE}"


def test_other_errors_pass():
    with pytest.raises(KeyError), reporting_unwritable("a"):
        raise KeyError("x")
