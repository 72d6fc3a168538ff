"""Paths that give somebody away."""

import pytest

from custom.release.personal_paths import personal_paths


@pytest.mark.parametrize(
    "path",
    ["/home/anna/data", "/Users/anna/x", "/root/scans", "/mnt/disk1/scans", r"C:\Users\anna", "/srv/anna/p/x.py"],
)
def test_found_with_file_and_line(tmp_path, path):
    folder = tmp_path if not path.startswith("/srv") else type(tmp_path)("/srv/anna/p")
    (line,) = personal_paths({"b.yaml": b"fine", "a.yaml": f"one\ndataset_dir: {path}\n".encode()}, folder)
    assert line.startswith("a.yaml, line 2: ")


def test_placeholders_addresses_and_weights_are_none(tmp_path):
    text = b"/path/to/dataset ./home/x https://host/home/page ~/data https://host.org/Users/x"
    assert personal_paths({"page.md": text, "model.pt": b"\xff\xfe/home/anna"}, tmp_path) == []
