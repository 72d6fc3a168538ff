"""Folders, links to them, and links in a circle."""

from custom.io.folders_below import folders_below


def test_each_once_also_behind_links_and_hidden_ones_never(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for folder in (root / "a" / "b", root / ".hidden", elsewhere):
        folder.mkdir(parents=True)
    (root / "again").symlink_to(root / "a")
    (root / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(root)
    assert list(folders_below(root)) == [root, root / "a", root / "a" / "b", root / "linked"]
