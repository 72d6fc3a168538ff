"""Files too large for an archive: the archive lists them, MONAI downloads them from the same folder.

`python -m monai.bundle download_large_files --bundle_path NAME` gets them; the model zoo's checks do, too.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import yaml

LARGE = 25_000_000  # bytes; the model zoo's limit
HASH_TYPE = "sha256"


def large_files_list(name: str, contents: Mapping[str, bytes], url: str) -> bytes:
    """The `large_files.yml` of a release `name` (NAME_vVERSION): path in the bundle, address and checksum of each file.

    The files of `contents` (path -> content) lie at `url` under `upload_name`.
    """
    entries = [
        {
            "path": path,
            "url": f"{url.rstrip('/')}/{upload_name(name, path)}",
            "hash_val": hashlib.new(HASH_TYPE, contents[path]).hexdigest(),
            "hash_type": HASH_TYPE,
        }
        for path in sorted(contents)
    ]
    return yaml.safe_dump({"large_files": entries}, sort_keys=False).encode("utf-8")


def upload_name(name: str, path: str) -> str:
    """The name of a large file next to the archive.

    >>> upload_name("batseg_spine_v0.1.0", "models/model.pt")
    'batseg_spine_v0.1.0_model.pt'
    """
    return f"{name}_{Path(path).name}"
