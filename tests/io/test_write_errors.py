"""Each way in which a disk refuses a file, told apart and in one line."""

import errno
import os

import pytest

from custom.errors import InputError
from custom.io.write_errors import reporting_unwritable, write_problem

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


@pytest.mark.parametrize(
    "text",
    [
        "unable to write to file </torch_12_34_5>: No space left on device (28)",
        "DataLoader worker (pid 9) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
        "shared memory. Please try to raise your shared memory limit.",
    ],
)
def test_a_full_shared_memory_is_no_full_disk(text):
    problem = write_problem(RuntimeError(text), ELSEWHERE)
    assert problem.file == "/dev/shm"
    assert "--shm-size" in problem.remedy
    assert "the shared memory is full" in line_of(RuntimeError(text))


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (RuntimeError("PytorchStreamWriter failed: file write failed"), errno.ENOSPC),
        (OSError("1320 requested and 100 written"), errno.ENOSPC),
        (
            RuntimeError("Caught OSError in DataLoader worker process 0.\nOSError: [Errno 28] No space left"),
            errno.ENOSPC,
        ),
        (RuntimeError("Too many open files. Communication with the workers is no longer possible."), errno.EMFILE),
        (RuntimeError("[Errno 2] No such file or directory: 'a'"), None),
        (FileNotFoundError(errno.ENOENT, "none", "a"), None),
        (OSError("torn"), None),
        (ValueError("x"), None),
    ],
)
def test_errors_that_have_only_a_text(error, number):
    problem = write_problem(error, ELSEWHERE)
    assert number == (None if problem is None else problem.number)


def test_the_file_in_a_text_is_found():
    error = RuntimeError("OSError: [Errno 122] Disk quota exceeded: '/work/a.nii.gz'\n")
    assert write_problem(error, ELSEWHERE)[1:3] == ("/work/a.nii.gz", "Disk quota exceeded")


def test_a_library_without_words_of_the_system():
    error = RuntimeError("Exception thrown in SimpleITK WriteImage:\nitk::ERROR: x\nReason: failed to write to file")
    assert line_of(error) == f"/out/a.nii.gz cannot be written (failed to write to file): free space or {ELSEWHERE}"


def test_other_errors_pass():
    with pytest.raises(KeyError), reporting_unwritable("a"):
        raise KeyError("x")
