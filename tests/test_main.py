"""`python -m custom`: its commands explain themselves and fail in one line."""

import subprocess

import pytest


@pytest.fixture
def run(quick_python):
    command = [str(quick_python / "python"), "-m", "custom"]
    return lambda *arguments: subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["export", "prepare_knight", "spine_phantoms"])
def test_help(run, command):
    result = run(command, "--help")
    assert result.returncode == 0
    assert "DESCRIPTION" in result.stdout + result.stderr


def test_phantoms_and_the_second_call_with_other_parameters(run, tmp_path):
    small = ["--folder", str(tmp_path / "p"), "--num_test", "1", "--extent_mm", "(64,96)", "--in_plane_mm", "(1.9,2.0)"]
    assert run("spine_phantoms", *small, "--num_cases", "2").returncode == 0
    assert len(list((tmp_path / "p" / "imagesTr").iterdir())) == 2
    again = run("spine_phantoms", *small, "--num_cases", "3")
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in again.stderr
