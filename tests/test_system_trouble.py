"""Each thing that a system refuses, told apart and in one line."""

import errno

import pytest

from custom.system_trouble import first_trouble, system_trouble

ELSEWHERE = "pass another --output_dir"


@pytest.mark.parametrize(
    "text",
    [
        "unable to write to file </torch_12_34_5>: No space left on device (28)",
        "DataLoader worker (pid 9) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
        "shared memory. Please try to raise your shared memory limit.",
    ],
)
def test_a_full_shared_memory_is_no_full_disk(text):
    problem = system_trouble(RuntimeError(text), ELSEWHERE)
    assert problem.file == "/dev/shm"
    assert "--shm-size" in problem.remedy
    assert problem.line() == f"/dev/shm cannot be written (the shared memory is full): {problem.remedy}"


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (RuntimeError("PytorchStreamWriter failed: file write failed"), errno.ENOSPC),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 38336 vs 38224"), errno.ENOSPC),
        (OSError("1320 requested and 100 written"), errno.ENOSPC),
        (
            RuntimeError("Caught OSError in DataLoader worker process 0.\nOSError: [Errno 28] No space left"),
            errno.ENOSPC,
        ),
        (RuntimeError("received 0 items of ancdata"), errno.EMFILE),
        (
            RuntimeError("unable to open shared memory object </torch_1> in read-write mode: Too many open files (24)"),
            errno.EMFILE,
        ),
        (RuntimeError("Too many open files. Communication with the workers is no longer possible."), errno.EMFILE),
        (RuntimeError("[Errno 2] No such file or directory: 'a'"), None),
        (FileNotFoundError(errno.ENOENT, "none", "a"), None),
        (OSError("torn"), None),
        (ValueError("x"), None),
    ],
)
def test_errors_that_have_only_a_text(error, number):
    problem = system_trouble(error, ELSEWHERE)
    assert number == (None if problem is None else problem.number)


def test_the_file_in_a_text_is_found():
    error = RuntimeError("OSError: [Errno 122] Disk quota exceeded: '/work/a.nii.gz'\n")
    assert system_trouble(error, ELSEWHERE)[1:3] == ("/work/a.nii.gz", "Disk quota exceeded")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/out/a"),
         "/out/a cannot be written (No space left on device): free space or pass another --output_dir"),
        (OSError(errno.ENOSPC, "No space left on device"),
         "the disk cannot be written (No space left on device): free space or pass another --output_dir"),
        (OSError(errno.EMFILE, "Too many open files", "/in/a"),
         "Too many open files (/in/a): raise the limit of open files (ulimit -n) or lower num_workers"),
        (PermissionError(errno.EACCES, "Permission denied", "/in/a"),
         "/in/a: Permission denied: correct the permissions or pass another --output_dir"),
    ],
)  # fmt: skip
def test_the_line(error, line):
    assert system_trouble(error, ELSEWHERE).line() == line


@pytest.mark.parametrize(("folder", "file"), [("multiprocessing", "/dev/shm"), ("nibabel", "")])
def test_a_semaphore_that_finds_no_shared_memory(folder, file):
    """It has neither a file nor words about memory: the code that asked for it tells."""
    code = compile(f"raise OSError({errno.ENOSPC}, 'No space left on device')", f"/python/{folder}/some.py", "exec")
    with pytest.raises(OSError, match="No space left") as caught:
        exec(code, {})
    assert system_trouble(caught.value, ELSEWHERE).file == file


def test_a_number_of_the_system_says_more_than_a_text():
    outer = RuntimeError("Failed to evaluate: No space left on device")
    trouble = first_trouble([outer, OSError(errno.ENOSPC, "No space left on device", "/out/a")], ELSEWHERE)
    assert trouble.file == "/out/a"
    assert first_trouble([outer], ELSEWHERE).file == ""
    assert first_trouble([ValueError("x"), FileNotFoundError(errno.ENOENT, "none", "a")], ELSEWHERE) is None
