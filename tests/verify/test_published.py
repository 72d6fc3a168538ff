"""A version that is published keeps its files."""

import json
import shutil

import pytest

from custom.errors import InputError
from custom.release import large_files, releasing
from custom.release.releasing import release
from custom.verify.bundle_folder import BundleFolder
from custom.verify.published import check_published
from custom.verify.verifying import verify

from ..bundle_copies import STATED, change_metadata, fresh_weights

FLARE = "flare_pseudolabel"


def published(root, tmp_path, **options):
    """model_info.json of the bundle's release, and the release unpacked under another name."""
    dist = tmp_path / "dist"
    release(FLARE, output=str(dist), source=str(root.parent), url="https://host/files", **options)
    (archive,) = dist.glob("*.zip")
    shutil.unpack_archive(archive, tmp_path / "unpacked")
    return dist / "model_info.json", (tmp_path / "unpacked" / FLARE).rename(tmp_path / "unpacked" / "my copy")


@pytest.mark.parametrize("place", ["project", "unpacked"])
def test_the_same_files_are_noted_and_others_fail(copied, tmp_path, place):
    root = copied(FLARE)
    info, unpacked = published(root, tmp_path)
    checked = {"project": root, "unpacked": unpacked}[place]
    said = check_published(info, BundleFolder(checked, tmp_path))
    assert said == f"{FLARE}_v0.1.0 is listed already, with these very files"
    with (checked / "configs" / "train.yaml").open("a") as config:
        config.write("\n")
    with pytest.raises(
        InputError, match=rf"{FLARE}_v0\.1\.0 is listed in .* with another check sum: .*raise the version"
    ):
        check_published(info, BundleFolder(checked, tmp_path))
    change_metadata(checked, version="0.2.0", changelog={"0.2.0": "one line more"})
    assert check_published(info, BundleFolder(checked, tmp_path)) == ""


@pytest.mark.parametrize("limit", [large_files.LARGE, 1_000_000])
def test_weights_in_the_archive_and_beside_it(copied, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(releasing, "LARGE", limit)
    root = copied(FLARE)
    change_metadata(root, eval_metrics=STATED)
    model = fresh_weights([root / "configs" / "inference.yaml"], root / "models" / "model.pt")
    model.with_name("training.json").write_text("{}")
    info, unpacked = published(root, tmp_path)
    shutil.copy(model, unpacked / "models")  # as downloaded
    for checked in (root, unpacked):
        assert "these very files" in check_published(info, BundleFolder(checked, tmp_path))


def test_a_wrong_file_is_no_fault_of_the_bundle(project, tmp_path):
    file = tmp_path / "model_info.json"
    with pytest.raises(InputError, match=r"model_info\.json cannot be read .*No such file"):
        verify(source=str(project / "bundles"), model_info=str(file))
    file.write_text(json.dumps([]))
    with pytest.raises(InputError, match=r"model_info\.json"):
        verify(source=str(project / "bundles"), model_info=str(file))
