"""The files of a bundle."""

import pytest

from custom.engines.large_files import LARGE_FILES, download_command, listed_files
from custom.release import release
from custom.release.bundle_code import code_folder
from custom.release.contents import bundle_contents, code_contents
from custom.release.metadata import released_metadata
from custom.release.model_info import MODEL_INFO, read_model_info
from custom.release.package_name import package_name
from custom.release.personal_paths import personal_paths
from custom.release.weights import PLAN

NECESSARY = (
    *("LICENSE", "configs/metadata.json", "configs/logging.conf", "configs/train.yaml", "configs/inference.yaml"),
    *("configs/evaluate.yaml", "configs/multi_gpu_train.yaml", "docs/README.md", "docs/data_license.txt"),
)


def test_what_monai_its_zoo_and_monai_label_look_for_is_there(root):
    missing = [name for name in NECESSARY if not (root / name).is_file() or not (root / name).stat().st_size]
    assert not missing, "missing or empty: add what other bundles have there"


def test_no_file_holds_a_path_of_somebodys_machine(bundle):
    files = bundle_contents(bundle.root, bundle.package) | code_contents(bundle.package, bundle.code)
    others = [bundle.root / name for name in (LARGE_FILES, PLAN)]
    files |= {file.name: file.read_bytes() for file in others if file.is_file()}
    assert not personal_paths(files, bundle.root), "write a placeholder such as /path/to/dataset"


def test_the_changelog_explains_the_version(root):
    released_metadata(root)


def test_a_published_version_never_changes(root, request, tmp_path):
    """Released again, it is the very archive that is listed."""
    file = request.config.getoption("--model_info", None)
    if file is None:
        pytest.skip("--model_info FILE says what has been published")
    listed = read_model_info(file)
    code, version = code_folder(root).name, released_metadata(root)["version"]
    names = [name.removesuffix(f"_v{version}") for name in listed if name.endswith(f"_v{version}")]
    name = next((one for one in names if package_name(one, version) == code), root.name)  # people rename folders
    entry = listed.get(f"{name}_v{version}")
    if entry is None:
        pytest.skip(f"{file} lists no {name}_v{version}: it may be published")
    if not all((root / large["path"]).is_file() for large in listed_files(root)):
        pytest.skip(f"{LARGE_FILES} lists weights that are not here: {download_command(root)}")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / name).symlink_to(root)
    release(name, str(tmp_path / "dist"), entry["source"].rpartition("/")[0], source=str(tmp_path / "source"))
    again = read_model_info(tmp_path / "dist" / MODEL_INFO)[f"{name}_v{version}"]
    assert again["checksum"] == entry["checksum"], f"{name}_v{version} is published with other files: raise the version"
