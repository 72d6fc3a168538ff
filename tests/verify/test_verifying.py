"""The command: one line for each check, and its exit status."""

import subprocess
import sys

import pytest

from custom.errors import InputError
from custom.verify import verifying
from custom.verify.verifying import verify


def wrong(_bundle) -> None:
    print("much talk")
    raise InputError("LICENSE: missing; add it")


def fine(_bundle) -> None:
    return None


def test_one_line_for_each_check(project, monkeypatch, caplog, capfd):
    caplog.set_level("INFO")
    monkeypatch.setattr(verifying, "CHECKS", {"files": wrong, "network": fine, "configs": lambda _: "one left out"})
    with pytest.raises(InputError, match="2 of 6 checks failed"):
        verify(source=str(project / "bundles"))
    assert caplog.messages == [
        line
        for name in ("batseg_spine", "flare_pseudolabel")
        for line in (
            f"{name}: files: FAILED: LICENSE: missing; add it",
            f"{name}: network: ok",
            f"{name}: configs: note: one left out",
        )
    ]
    assert "much talk" not in capfd.readouterr().out


def test_folders_by_name(project, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(verifying, "CHECKS", {"files": fine})
    verify(bundle=str(project / "bundles" / "batseg_spine"))
    assert caplog.messages == ["batseg_spine: files: ok"]
    with pytest.raises(InputError, match=r"has no configs/metadata\.json"):
        verify(bundle=str(project))


def test_exit_status_of_the_command(tmp_path):
    """A folder with nothing but a word of metadata: its checks fail one by one, in one line each."""
    (tmp_path / "empty" / "configs").mkdir(parents=True)
    (tmp_path / "empty" / "configs" / "metadata.json").write_text("{}")
    command = [sys.executable, "-m", "custom", "verify", "--bundle", str(tmp_path / "empty")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    lines, number = result.stderr.splitlines(), len(verifying.CHECKS)
    assert lines[0].startswith("empty: files: FAILED: LICENSE, ")
    held = [line for line in lines if "FAILED" not in line][:-1]
    assert [line.split(": ")[1] for line in held] == ["personal paths", "weights"], "nothing there could be wrong"
    assert lines[-1] == f"error: {number - 2} of {number} checks failed: see the lines above"
    assert len(lines) == number + 1
