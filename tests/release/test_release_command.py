"""The release command: files, checksums, refusals."""

import hashlib
import json
import zipfile
from pathlib import Path

import monai.bundle
import pytest
import yaml

from custom.errors import InputError
from custom.options.command_line import call
from custom.release import large_files, release_command
from custom.release.release_command import Release, refuse_equal_names, release

from ..bundle_copies import STATED, change_metadata, copy_bundle, seeded_training
from .web_server import served

FLARE = "flare_pseudolabel"


def sha1(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


def test_releases_made_twice_are_equal_and_their_checksums_are_listed(project, tmp_path):
    source = str(project / "bundles")
    none = "batseg_spine=none,flare_pseudolabel=none"
    for folder in ("one", "two"):
        release(output=str(tmp_path / folder), source=source, url="https://host/files/", weights=none)
    info = json.loads((tmp_path / "one" / "model_info.json").read_text())
    assert {name.split("_v")[0] for name in info} >= {"batseg_spine", FLARE}, "and the models they are shipped with"
    for name, entry in info.items():
        archives = [tmp_path / folder / f"{name}.zip" for folder in ("one", "two")]
        assert archives[0].read_bytes() == archives[1].read_bytes()
        assert entry == {"checksum": sha1(archives[0]), "source": f"https://host/files/{name}.zip"}
        names = zipfile.ZipFile(archives[0]).namelist()
        bundle, version = name.split("_v")
        assert {path.split("/")[0] for path in names} == {bundle}, "one top folder"
        assert f"{bundle}/{bundle}_{version.replace('.', '_')}/networks/__init__.py" in names


def test_two_releases_of_one_name_do_not_replace_one_another(tmp_path):
    made = [Release("boxes", version, {}, {}) for version in ("0.1.0", "0.2.0", "0.1.0")]
    refuse_equal_names(made[:2])
    with pytest.raises(InputError, match=r"boxes_v0\.1\.0 would be written 2 times: rename the folder of one"):
        refuse_equal_names(made)


def test_folder_for_the_hub_is_the_archive_with_a_card(project, tmp_path, caplog):
    caplog.set_level("INFO")
    release(FLARE, output=str(tmp_path), source=str(project / "bundles"), weights=f"{FLARE}=none")
    (archive,) = tmp_path.glob(f"{FLARE}_v*.zip")
    assert f"{archive}  sha1 {sha1(archive)}" in caplog.text
    hub = tmp_path / "huggingface" / FLARE
    with zipfile.ZipFile(archive) as files:
        packed = {name.removeprefix(f"{FLARE}/"): files.read(name) for name in files.namelist()}
    found = {file.relative_to(hub).as_posix(): file.read_bytes() for file in hub.rglob("*") if file.is_file()}
    card = found.pop("README.md").decode()
    assert found == packed
    assert card.startswith("---\ntags:\n- monai\n- medical\nlibrary_name: monai\nlicense: apache-2.0\n---\n")
    assert "docs/phantoms.png" in packed
    assert card.endswith(packed["docs/README.md"].decode().replace("](phantoms.png)", "](docs/phantoms.png)"))


def test_other_releases_stay_listed_and_an_old_hub_folder_goes(project, tmp_path):
    (tmp_path / "model_info.json").write_text('{"batseg_spine_v0.0.1": {"checksum": "x", "source": "y"}}')
    old = tmp_path / "huggingface" / FLARE / f"{FLARE}_0_0_1"
    old.mkdir(parents=True)
    release(FLARE, output=str(tmp_path), source=str(project / "bundles"), weights=f"{FLARE}=none")
    info = json.loads((tmp_path / "model_info.json").read_text())
    assert info["batseg_spine_v0.0.1"] == {"checksum": "x", "source": "y"}
    assert set(info) == {"batseg_spine_v0.0.1", f"{FLARE}_v0.1.0", "headneck_v0.1.0"}
    assert not old.exists()


def test_weights_too_large_for_the_archive_come_by_monais_own_command(copied, tmp_path, monkeypatch):
    """A limit below the small network's 22 MB stands for a larger network."""
    monkeypatch.setattr(release_command, "LARGE", 1_000_000)
    root, dist = copied(FLARE), tmp_path / "dist"
    change_metadata(root, eval_metrics=STATED, version="7.0.0", changelog={"7.0.0": "weights"})
    model = seeded_training(root, root / "models", "small") / "model.pt"
    with pytest.raises(InputError, match=r"models/model\.pt is above 25 MB: pass --url"):
        release(FLARE, output=str(dist), source=str(root.parent))
    assert not dist.exists()
    dist.mkdir()
    with served(dist) as url:
        release(FLARE, output=str(dist), source=str(root.parent), url=url)
        monai.bundle.download(FLARE, bundle_dir=tmp_path, url=f"{url}/{FLARE}_v7.0.0.zip", progress=False)
        unpacked = tmp_path / FLARE
        assert not (unpacked / "models" / "model.pt").exists()
        monai.bundle.download_large_files(str(unpacked))
    assert (unpacked / "models" / "model.pt").read_bytes() == model.read_bytes()
    (entry,) = yaml.safe_load((unpacked / "large_files.yml").read_text())["large_files"]
    assert entry["hash_val"] == hashlib.new(large_files.HASH_TYPE, model.read_bytes()).hexdigest()
    hub = dist / "huggingface" / FLARE
    assert (hub / "models" / "model.pt").read_bytes() == model.read_bytes()
    assert not (hub / "large_files.yml").exists()


def test_a_second_version_has_code_of_its_own_name(project, tmp_path):
    for version in ("0.1.0", "0.2.0"):
        root = copy_bundle(project, FLARE, tmp_path / version)
        change_metadata(root, version=version, changelog={version: "a change"})
        release(output=str(tmp_path / "dist"), source=str(root.parent))
    packages = []
    for archive in sorted((tmp_path / "dist").glob("*.zip")):
        packages += {name.split("/")[1] for name in zipfile.ZipFile(archive).namelist() if name.endswith("options.py")}
    assert packages == [f"{FLARE}_0_1_0", f"{FLARE}_0_2_0"]


def test_a_version_that_changes_is_warned_of(copied, tmp_path, caplog):
    root = copied(FLARE)
    for text in ("", "", "\n"):
        with (root / "models" / "README.md").open("a") as page:
            page.write(text)
        caplog.clear()
        release(output=str(tmp_path / "dist"), source=str(root.parent))
        warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert len(warned) == len(text)
    assert "was another archive before: if that one is published, raise the version" in warned[0]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"version": "next"}, r"metadata.json: version is 'next': write it as 0\.1\.0"),
        ({"version": "0.3.0"}, "the changelog has no entry 0.3.0"),
    ],
)
def test_bad_versions(copied, tmp_path, entries, said):
    root = copied(FLARE)
    change_metadata(root, **entries)
    with pytest.raises(InputError, match=said):
        release(output=str(tmp_path / "dist"), source=str(root.parent))
    assert not (tmp_path / "dist").exists(), "nothing is written of a release that cannot be made"


def test_a_path_of_ones_own_machine_is_refused(copied, tmp_path):
    root = copied(FLARE)
    (root / "configs" / "mine.yaml").write_text("epochs: 3\ndataset_dir: /home/anna/scans\n")
    with pytest.raises(InputError, match=r"configs/mine\.yaml, line 2: /home/anna is a path of your own computer"):
        release(output=str(tmp_path / "dist"), source=str(root.parent))


def test_a_release_of_an_unpacked_release_is_the_same_archive(project, tmp_path):
    """Its code is the copy that it carries, whose package the configs name."""
    release(FLARE, output=str(tmp_path / "dist"), source=str(project / "bundles"), weights=f"{FLARE}=none")
    (archive,) = (tmp_path / "dist").glob(f"{FLARE}*.zip")
    with zipfile.ZipFile(archive) as content:
        content.extractall(tmp_path / "unpacked")
    release(output=str(tmp_path / "again"), source=str(tmp_path / "unpacked"))
    assert (tmp_path / "again" / archive.name).read_bytes() == archive.read_bytes()
    assert not list((tmp_path / "unpacked").rglob("__pycache__"))


def test_folders_with_numbers_for_names_are_folders(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("1").mkdir()
    copy_bundle(project, FLARE, Path("1"))
    call("release", {"release": release}, {"output": "2024", "source": "1"}, [FLARE])
    assert (tmp_path / "2024" / "model_info.json").is_file()


def refused(said: str, **options: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        release(FLARE, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["{", "[]", '{"a_v0.1.0": 3}'])
def test_a_damaged_list_of_releases_is_told_before_anything_is_written(copied, tmp_path, content):
    source = copied(FLARE).parent
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "model_info.json").write_text(content)
    refused(r"dist/model_info\.json .*: correct it", output=str(tmp_path / "dist"), source=str(source))
    assert [file.name for file in (tmp_path / "dist").iterdir()] == ["model_info.json"]


@pytest.mark.parametrize("output", ["file", "file/dist"])
def test_an_output_that_is_no_folder(copied, tmp_path, output):
    source = copied(FLARE).parent
    (tmp_path / "file").touch()
    said = rf"{output} cannot be written \(.*\): pass another --output"
    refused(said, output=str(tmp_path / output), source=str(source))


def test_metadata_and_configs_that_are_none(copied, tmp_path):
    root = copied(FLARE)
    options = {"output": str(tmp_path / "dist"), "source": str(root.parent)}
    (root / "configs" / "inference.yaml").unlink()
    refused(r"configs/inference\.yaml: no such config; correct its name, or pass", **options)
    (root / "configs" / "metadata.json").write_text("[]")
    refused(r"metadata\.json holds no JSON object", **options)


def test_unknown_bundles(project, tmp_path):
    with pytest.raises(InputError, match="one of batseg_spine, flare_pseudolabel, or all"):
        release("spine", source=str(project / "bundles"))
    with pytest.raises(InputError, match="--bundles 2024: one of"):
        release("2024", source=str(project / "bundles"))
    with pytest.raises(InputError, match="holds no bundles: run this in the project's folder"):
        release(source=str(tmp_path))
