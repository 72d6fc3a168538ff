"""What counts as a disk that takes no more, wherever in a chain of exceptions it is."""

from __future__ import annotations

import errno
import sys

import pytest

from custom.errors import InputError
from custom.workflows.disk_errors import ELSEWHERE, disk_trouble, reporting_disk_trouble


def said(error):
    return str(disk_trouble(error))


FULL = OSError(errno.ENOSPC, "No space left on device", "/work/stages/a/models/model.pt")


def caught(raise_it):
    try:
        raise_it()
    except Exception as error:
        return error


def from_cause():
    try:
        raise FULL
    except OSError as error:
        raise RuntimeError("applying transform SaveImaged") from error


def from_context():
    try:
        from_cause()
    except RuntimeError:
        raise KeyError("while cleaning up") from None


def after_another():
    try:
        raise FULL
    except OSError:
        raise ValueError("then this")  # noqa: B904


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EDQUOT, "Disk quota exceeded"),
        (errno.EFBIG, "File too large"),
        (errno.EROFS, "Read-only file system"),
    ],
)
def test_the_systems_words_and_the_file(number, words):
    assert said(OSError(number, words, "/work/x.nii.gz")).startswith(f"/work/x.nii.gz cannot be written ({words}): ")
    assert said(OSError(number, words)).startswith(f"the work folder cannot be written ({words}): ")
    assert said(OSError(number, words)).endswith(ELSEWHERE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unable to write to file </torch_1>: No space left on device (28)",
         "/dev/shm cannot be written (the shared memory is full): enlarge it"),
        ("Too many open files. Communication with the workers is no longer possible.",
         "Too many open files: raise the limit of open files (ulimit -n)"),
    ],
)  # fmt: skip
def test_a_full_shared_memory_and_too_few_handles_are_no_full_work_folder(text, expected):
    assert said(RuntimeError(text)).startswith(expected)
    assert "work" not in said(RuntimeError(text)).replace("workers", "")


@pytest.mark.parametrize("raise_it", [from_cause, from_context, after_another])
def test_through_causes_and_contexts(raise_it):
    assert said(caught(raise_it)).startswith(f"{FULL.filename} cannot be written (No space left on device): free space")


LOADING = "Caught OSError in DataLoader worker process 0.\nOSError: "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[enforce fail at inline_container.cc:603] . PytorchStreamWriter failed: file write failed",
         "the work folder cannot be written (is the disk full?)"),
        (LOADING + "[Errno 28] No space left on device",
         "the work folder cannot be written (No space left on device)"),
        (LOADING + "[Errno 122] Disk quota exceeded: '/work/a.nii.gz'\n",
         "/work/a.nii.gz cannot be written (Disk quota exceeded)"),
        ("SaveImage cannot find a suitable writer for /work/a.nii.gz.\nTraceback\ncustom.errors.InputError: "
         "/work/a.nii.gz cannot be written (File too large): free space or pass another --output_dir\n",
         "/work/a.nii.gz cannot be written (File too large)"),
    ],
)  # fmt: skip
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the numbers are those of Linux")
def test_errors_that_have_only_a_text(text, expected):
    assert said(RuntimeError(text)).startswith(expected + ": free space")
    assert said(RuntimeError(text)).endswith(ELSEWHERE)


def test_a_file_that_is_missing_in_a_loading_process_is_no_full_disk():
    assert disk_trouble(RuntimeError(LOADING + "[Errno 2] No such file or directory: '/scans/a.nii.gz'")) is None


@pytest.mark.parametrize(
    "error", [None, ValueError("x"), FileNotFoundError(errno.ENOENT, "none", "a"), OSError("torn")]
)
def test_other_errors_are_none(error):
    assert disk_trouble(error) is None


def test_a_cause_raised_again_in_what_it_caused():
    """Its context is then what it caused: a circle."""
    known = InputError("weights do not fit")
    try:
        try:
            raise RuntimeError("failed to evaluate") from known
        except RuntimeError:
            raise known  # noqa: B904
    except InputError as error:
        assert error.__context__.__cause__ is error
        assert disk_trouble(error) is None


def test_a_user_reads_one_line():
    with pytest.raises(InputError) as error, reporting_disk_trouble():
        from_cause()
    line = f"{FULL.filename} cannot be written (No space left on device): free space or {ELSEWHERE}"
    assert str(error.value) == line
    assert isinstance(error.value.__cause__, RuntimeError)


def test_what_is_said_already_and_other_errors_pass():
    with pytest.raises(KeyError, match="x"), reporting_disk_trouble():
        raise KeyError("x")
    said = InputError("checksums.json cannot be written (No space left on device)")
    with pytest.raises(InputError) as error, reporting_disk_trouble():
        raise said from FULL
    assert error.value is said
