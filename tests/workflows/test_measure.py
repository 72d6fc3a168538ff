"""Commands measured for real; an nvidia-smi of our own stands for the GPU."""

import json
import logging
import os
import shlex
import sys

import fire
import psutil
import pytest

from custom.errors import InputError
from custom.workflows import measure as module
from custom.workflows.measure import measure, split_command

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the commands of these tests are those of a POSIX shell")


def python(code, *options):
    return shlex.join([sys.executable, "-c", code, *options])


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch, tmp_path):
    """A machine without nvidia-smi, whatever this one has; the folder of stand-ins comes first on the path."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin{os.pathsep}/bin")
    which = module.shutil.which
    monkeypatch.setattr(
        module.shutil, "which", lambda name: which(name, path=str(programs)) if name == "nvidia-smi" else which(name)
    )
    return programs


@pytest.fixture
def nvidia_smi(no_gpu):
    """Write a stand-in for nvidia-smi from the lines of a shell script."""

    def write(*lines):
        program = no_gpu / "nvidia-smi"
        program.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
        program.chmod(0o755)

    return write


def result(folder):
    return json.loads((folder / "usage.json").read_text(encoding="utf-8"))


def test_time_memory_of_all_processes_and_cpu_are_measured(tmp_path, caplog):
    child = f"import time; block = b'x' * (120 * 2**20); time.sleep(1.2); open({str(tmp_path / 'done')!r}, 'w').close()"
    parent = f"import subprocess, sys; block = b'x' * (60 * 2**20); subprocess.run([sys.executable, '-c', {child!r}])"
    with caplog.at_level(logging.INFO):
        measure(python(parent), str(tmp_path / "new" / "usage.json"), cases=2)
    use = result(tmp_path / "new")
    assert (tmp_path / "done").exists()
    assert use["command"] == python(parent)
    assert (use["exit_status"], use["cases"], use["gpu"]) == (0, 2, None)
    assert 180 < use["memory"]["maximum_mb"] < 2000
    assert use["seconds"] >= 1.2
    assert use["seconds_per_case"] == pytest.approx(use["seconds"] / 2, abs=1e-3)
    assert use["samples"] > 4
    assert 0 < use["cpu"]["mean_percent"] <= use["cpu"]["maximum_percent"] <= 100
    assert use["cpu"]["area_percent_s"] == pytest.approx(use["cpu"]["mean_percent"] * use["seconds"], rel=0.01)
    assert use["flare23_tolerances"]["seconds_per_case"]["kept"] is True
    assert sorted(entry.name for entry in (tmp_path / "new").iterdir()) == ["usage.json", "usage.png"]
    assert "GPU memory: not measured" in caplog.text


def test_gpu_memory_is_the_sum_over_gpus_from_before_to_the_end(tmp_path, nvidia_smi):
    started, seen = tmp_path / "started", tmp_path / "seen"
    nvidia_smi(
        f'echo "$@" > {tmp_path}/options',
        "while sleep 0.02; do",
        f'  if [ -e {started} ]; then echo "0, 3000"; echo "1, 40"; : > {seen}; else echo "0, 500"; echo "1, 20"; fi',
        "done",
    )
    code = (
        f"import os, time; open({str(started)!r}, 'w').close()\n"
        f"while not os.path.exists({str(seen)!r}): time.sleep(0.02)\n"
        "time.sleep(0.4)"
    )
    measure(python(code), str(tmp_path / "usage.json"), gpus="0,1")
    gpu = result(tmp_path)["gpu"]
    assert (gpu["before_mb"], gpu["numbers"]) == (520, [0, 1])
    assert (gpu["maximum_mb"], gpu["maximum_mb_of_each"]) == (3040, [3000, 40])
    assert 0.3 * 3040 < gpu["area_mb_s"] <= 3040 * (result(tmp_path)["seconds"] + 1e-3)  # which is rounded
    options = (tmp_path / "options").read_text().split()
    assert options == ["--query-gpu=index,memory.used", "--format=csv,noheader,nounits", "--loop-ms=100", "--id=0,1"]
    left = [process for process in psutil.process_iter() if str(tmp_path) in " ".join(_command_line(process))]
    assert not psutil.wait_procs(left, timeout=10)[1]  # the script's own sleep may end after it


def _command_line(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_an_nvidia_smi_without_readings_is_no_gpu(tmp_path, nvidia_smi, caplog):
    nvidia_smi('echo "0, [N/A]"', "echo NVIDIA-SMI has failed", "exit 9")
    measure("true", str(tmp_path / "usage.json"))
    assert result(tmp_path)["gpu"] is None
    assert "gives no readings: GPU memory is not measured" in caplog.text


def test_an_nvidia_smi_that_ends_early_is_told(tmp_path, nvidia_smi, caplog):
    nvidia_smi('echo "0, 7"', 'echo "0, 9"')
    measure("sleep 0.3", str(tmp_path / "usage.json"))
    assert result(tmp_path)["gpu"]["maximum_mb"] == 9
    assert "nvidia-smi ended before the command" in caplog.text


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_exit_status_of_the_command_is_passed_on(tmp_path, code, status, caplog):
    with pytest.raises(SystemExit) as stop:
        measure(python(code), str(tmp_path / "usage.json"))
    assert stop.value.code == status
    assert result(tmp_path)["exit_status"] == status
    assert f"failed with exit status {status}" in caplog.text


def test_options_of_the_command_reach_it_through_fire(tmp_path):
    code = f"import sys; open({str(tmp_path / 'heard')!r}, 'w').write('|'.join(sys.argv[1:]))"
    options = ["--config_file", "['a.yaml','b.yaml']", "--output", "1,2", "-x", "--", "$@epochs * 2"]
    for command in ([python(code, *options)], ["--command", python(code, *options)]):
        fire.Fire(
            {"measure": measure}, ["measure", *command, "--output", str(tmp_path / "usage.json"), "--gpus", "0,1"]
        )
        assert (tmp_path / "heard").read_text() == "|".join(options)
        (tmp_path / "heard").unlink()


def test_a_broken_off_measurement_ends_the_command(tmp_path, monkeypatch):
    started = []

    def interrupt(process):
        started.append(process.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_memory_of_tree", interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure("sleep 60", str(tmp_path / "usage.json"))
    assert not psutil.pid_exists(started[0])
    assert not (tmp_path / "usage.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"command": "no-such-program --x"},
            "no program 'no-such-program' is found, of the command 'no-such-program --x'",
        ),
        ({"command": "echo 'a"}, "cannot be split into words \\(No closing quotation\\); mend its quotes"),
        ({"command": " "}, "the command is empty"),
        ({"cases": 0}, "0 cases every 0.1 s; give at least one case"),
        ({"interval": 0}, "an interval above 0 up to 3600 s"),
        ({"interval": 1e12}, "an interval above 0 up to 3600 s"),
        ({"output": "usage.png"}, "usage.png is where the picture goes; give --output a name that ends with .json"),
        ({"output": "/dev/null/usage.json"}, "/dev/null cannot be written .* pass another --output"),
    ],
)
def test_what_cannot_be_measured_is_named_before_anything_runs(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        measure(**{"command": "touch ran", **arguments})
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_no_program_is_named(tmp_path):
    program = tmp_path / "empty"
    program.write_bytes(b"\0\0\0\0")
    program.chmod(0o755)
    with pytest.raises(InputError, match="empty cannot be started \\(Exec format error\\)"):
        measure(str(program), str(tmp_path / "usage.json"))


def test_commands_are_split_as_by_a_shell():
    assert split_command("""sh -c "echo 'a b'" --x=1""") == ["sh", "-c", "echo 'a b'", "--x=1"]
