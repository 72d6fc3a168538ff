"""The quick python of the tests differs from the real one by its speed only."""

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, sys
atexit.register(print, "at the end")
print(__name__, sys.argv[1:], os.getcwd(), os.environ["COLOUR"], sys.stdin.read(), flush=True)
print("trouble", file=sys.stderr)
{end}
"""


def ends(errors: str) -> tuple[str, str]:
    """First and last line, without the shell's own word on a program that was killed."""
    lines = [line for line in errors.splitlines() if "Killed" not in line]
    return lines[0], lines[-1]


@pytest.mark.parametrize(
    "end", ["", "sys.exit(3)", "sys.exit('told')", "1 / 0", "os.kill(os.getpid(), 9)", "os._exit(5)"]
)
def test_output_status_and_surroundings_are_the_same(quick_python, tmp_path, end):
    (tmp_path / "program.py").write_text(PROGRAM.format(end=end))
    results = [
        subprocess.run(
            ["bash", "-c", f"{python} -m program 'one two' three; exit $?"],
            input="words",
            env={"COLOUR": "blue"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        for python in (sys.executable, quick_python / "python")
    ]
    real, quick = results
    assert real.returncode == quick.returncode
    assert real.stdout == quick.stdout
    assert ends(real.stderr) == ends(quick.stderr)


def test_other_uses_of_python_are_the_real_ones(quick_python, tmp_path):
    (tmp_path / "script.py").write_text("import sys; print(sys.executable, sys.argv, 'monai' in sys.modules)")
    for arguments in (["script.py", "-m"], ["-c", "import sys; print(sys.executable, 'monai' in sys.modules)"]):
        texts = [
            subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
            for program in (sys.executable, str(quick_python / "python"))
        ]
        assert texts[0] == texts[1]
        assert "False" in texts[0]
