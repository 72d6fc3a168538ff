"""How a user's mistake reaches the terminal."""

import signal
import subprocess
import sys

import pytest
from monai.data import DataLoader, Dataset
from monai.transforms import Compose
from monai.utils import optional_import

from custom.errors import LEFT_OUT_STATUS, InputError, find_input_error, input_error_message


def test_found_behind_the_exceptions_that_wrap_it():
    try:
        try:
            raise InputError("scan.nii.gz: 4D; split it")
        except InputError as error:
            raise RuntimeError("Failed to evaluate ...") from error
    except RuntimeError as wrapped:
        assert input_error_message(find_input_error(wrapped)) == "scan.nii.gz: 4D; split it"


def test_other_errors_are_not_taken_for_it():
    assert find_input_error(RuntimeError("a bug")) is None


def test_a_package_that_monai_misses_is_one_line():
    missing, _ = optional_import("no_such_package", descriptor="Please install it.")
    with pytest.raises(Exception) as caught:
        missing.anything()
    line = input_error_message(find_input_error(caught.value))
    assert line.startswith("Please install it. (No module named 'no_such_package')")
    assert "\n" not in line


def test_a_circle_of_causes_ends():
    known = KeyError("x")
    try:
        try:
            raise RuntimeError("wrapped") from known
        except RuntimeError:
            raise known  # noqa: B904
    except KeyError as error:
        assert error.__context__.__cause__ is error
        assert find_input_error(error) is None


def test_message_from_a_data_loading_process():
    error = InputError(
        "Caught InputError in DataLoader worker process 0.\nOriginal Traceback:\n  File ...\n"
        "custom.errors.InputError: scan.nii.gz: 4D; split it\n"
    )
    assert input_error_message(error) == "scan.nii.gz: 4D; split it"


class Refuse:
    """A transform that refuses everything."""

    def __call__(self, data):
        raise InputError("scan.nii.gz: 4D; split it")


@pytest.mark.parametrize("workers", [0, 1])
def test_found_behind_monais_transforms_and_data_loading_processes(workers):
    loader = DataLoader(Dataset([{"image": 1}], Compose([Refuse()])), num_workers=workers)
    with pytest.raises(RuntimeError) as caught:
        next(iter(loader))
    assert input_error_message(find_input_error(caught.value)) == "scan.nii.gz: 4D; split it"


def run(statement: str) -> subprocess.CompletedProcess:
    program = f"from custom.errors import *; show_input_errors_in_one_line(); {statement}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_uncaught_it_is_one_line():
    result = run("raise InputError('folder: missing; pass --dataset_dir')")
    assert result.returncode == 1
    assert result.stderr == "error: folder: missing; pass --dataset_dir\n"


def test_a_bug_keeps_its_traceback():
    assert "Traceback" in run("1 / 0").stderr


def test_ctrl_c_is_one_line_and_python_ends_as_of_a_signal():
    result = run("raise KeyboardInterrupt")
    assert result.stderr == "interrupted: what is finished is kept\n"
    assert result.returncode == -signal.SIGINT


def test_a_run_that_left_scans_out_says_so_by_its_status():
    result = run("raise ScansLeftOutError('27 of 30 labelled, 3 left out: a, b, c')")
    assert result.returncode == LEFT_OUT_STATUS == 3
    assert result.stderr == "27 of 30 labelled, 3 left out: a, b, c\n"
