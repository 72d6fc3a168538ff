"""A real MONAI Label server, in an environment of its own, and its REST API."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from monai.bundle import run as run_bundle

from custom.phantoms import write_abdomen_phantoms, write_spine_phantoms
from custom.plans import Plan, load_plan, write_plan
from custom.release import trained_bundle

from ..conftest import real_data_folder
from ..end_to_end.ending import ending_with_us

START_SECONDS = 600
TASK_SECONDS = 1800
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PORT = "@PORT@"  # stands for a free one
HERE = ("--host", "127.0.0.1", "--port", PORT)
NOWHERE = "http://127.0.0.1:9"  # the port of discarded data: whatever wants to go out fails at once


@pytest.fixture(scope="session")
def environment(project) -> Path:
    """Folder of the virtual environment with MONAI Label: $MONAI_LABEL_VENV, else .venv-monailabel; skips if absent."""
    folder = Path(os.environ.get("MONAI_LABEL_VENV", project / ".venv-monailabel")).absolute()
    if not (folder / "bin" / "monailabel").is_file():
        pytest.skip(f"no MONAI Label in {folder}: `make test-monailabel` installs it there and runs these tests")
    return folder


CASES = 6  # that there are to train on
PHANTOM = "phantom_0000.nii.gz"  # the first of a folder
ITERATIONS = "iterations_per_epoch: 250\n"  # of a training as shipped


class Scans(NamedTuple):
    """Small labelled MRI with a plan for them, and two CTs of an abdomen."""

    plan: Plan
    folder: Path  # of imagesTr and labelsTr
    names: list[str]  # of the cases to use
    ct: Path
    ct_label: Path  # by FLARE's classes
    large_ct: Path

    def image(self, name: str) -> Path:
        return self.folder / "imagesTr" / f"{name}.nii.gz"

    def label(self, name: str) -> Path:
        return self.folder / "labelsTr" / f"{name}.nii.gz"


@pytest.fixture(scope="session")
def scans(environment, project, tmp_path_factory) -> Scans:
    """Real hippocampi and CTs, or phantoms where there are no real data, and the plan of a small network."""
    real = real_data_folder()
    root = project / "bundles" / "batseg_spine"
    found = real_scans(real, root) if real.is_dir() else phantoms(tmp_path_factory.mktemp("phantoms"), root)
    found.plan["network"]["filters"] = [8, 16, 32, 64]
    return found


def real_scans(data: Path, root: Path) -> Scans:
    plan = load_plan("hippocampus", root) | {"spacing": [1.6, 1.0, 1.2], "batch_size": 2}  # anisotropic as the spine's
    ct = [data / "ct" / name for name in ("abdomen.nii.gz", "abdomen_label.nii.gz", "torso.nii.gz")]
    return Scans(plan, data / "hippocampus", case_names(data / "hippocampus"), *ct)


def phantoms(data: Path, root: Path) -> Scans:
    mri, ct, large_ct = (data / name for name in ("mri", "ct", "large_ct"))
    write_spine_phantoms(mri, CASES, 0, extent_mm=(60, 80), in_plane_mm=(1.2, 1.4))
    write_abdomen_phantoms(ct, 1, 0, spacing_mm=((5, 5.1), (3, 3.1)))
    write_abdomen_phantoms(large_ct, 1, 0, spacing_mm=((2.5, 2.6), (3, 3.1)))
    files = [ct / "images" / PHANTOM, ct / "truth" / PHANTOM, large_ct / "images" / PHANTOM]
    return Scans(load_plan("phantoms", root), mri, case_names(mri), *files)


def case_names(folder: Path) -> list[str]:
    return [file.name.removesuffix(".nii.gz") for file in sorted((folder / "labelsTr").glob("[!.]*.nii.gz"))][:CASES]


@pytest.fixture(scope="session")
def trained_spine(project, scans, tmp_path_factory) -> Path:
    """The spine bundle's method, trained for a moment, as a bundle of its own."""
    work = tmp_path_factory.mktemp("trained")
    root = project / "bundles" / "batseg_spine"
    for folder in ("imagesTr", "labelsTr"):
        (work / "data" / folder).mkdir(parents=True)
    for file in (file for name in scans.names for file in (scans.image(name), scans.label(name))):
        (work / "data" / file.parent.name / file.name).symlink_to(file)
    write_plan(work / "plan.yaml", scans.plan)
    run_bundle(
        config_file=str(root / "configs" / "train.yaml"),
        meta_file=str(root / "configs" / "metadata.json"),
        bundle_root=str(root),
        dataset_dir=str(work / "data"),
        plan=str(work / "plan.yaml"),
        ckpt_dir=str(work / "weights"),
        output_dir=str(work / "output"),
        epochs=1,
        iterations_per_epoch=10,
        num_workers=0,
        validate_data=False,
    )
    folder = work / "batseg_trained"
    trained_bundle(str(root), str(folder), ckpt_dir=str(work / "weights"))
    return folder


class Server:
    """The REST API of a running server.

    Args:
        address: http://HOST:PORT.
        log: what the server prints, shown where it answers with an error.
    """

    def __init__(self, address: str, log: Path) -> None:
        self.address = address
        self.log = log

    def call(self, method: str, path: str, body: Any = None, files: dict[str, Path] | None = None) -> bytes:
        """The answer to a request, whose status must be 200."""
        headers, data = {}, None
        if files is not None:
            data, headers["Content-Type"] = multipart(body or {}, files)
        elif body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        try:
            with NO_PROXY.open(request, timeout=TASK_SECONDS) as answer:
                assert answer.status == 200
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()!r}\n{self.tail()}") from error

    def get(self, path: str) -> Any:
        return json.loads(self.call("GET", path))

    def infer(self, model: str, image: str, file: Path, **params: Any) -> Path:
        """The label map of an image in the server's data store, as a viewer asks for it."""
        form = {"params": json.dumps({"result_dtype": "uint8", **params})}
        file.write_bytes(self.call("POST", f"/infer/{model}?image={image}&output=image", form, files={}))
        return file

    def add_image(self, name: str, file: Path) -> None:
        self.call("PUT", f"/datastore/image?image={name}", files={"file": file})

    def add_label(self, name: str, file: Path) -> None:
        self.call("PUT", f"/datastore/label?image={name}&tag=final", {"params": "{}"}, files={"label": file})

    def remove_image(self, name: str) -> None:
        self.call("DELETE", f"/datastore/image?id={name}")

    def remove_label(self, name: str) -> None:
        self.call("DELETE", f"/datastore/label?id={name}&tag=final")

    def run(self, task: str, name: str, **params: Any) -> None:
        """Start a training or a scoring and wait for its end, which must be a success."""
        self.call("POST", f"/{task}/{name}", params)
        until = time.monotonic() + TASK_SECONDS
        while (status := self.get(f"/{task}/"))["status"] in ("SUBMITTED", "RUNNING"):
            assert time.monotonic() < until, f"{task} {name} does not end\n{self.tail()}"
            time.sleep(1)
        assert status["status"] == "DONE", "\n".join(map(str, status.get("details", [])[-60:])) + self.tail()

    def tail(self) -> str:
        """The end of what the server printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-80:])


def replace(file: Path, old: str, new: str) -> None:
    """Replace a text that the file must hold."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def multipart(fields: dict[str, str], files: dict[str, Path]) -> tuple[bytes, str]:
    """Body and content type of a form."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, file in files.items():
        heading = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file.name}"\r\n\r\n'
        parts.append(heading.encode() + file.read_bytes() + b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def server_variables(environment: Path, folder: Path) -> dict[str, str]:
    """The server's environment: its own Python first, no network, a home of its own, scoring only where asked for.

    And one thread, as the tests have: sums of two would differ in the last digits, and a voxel at a tie with them.
    """
    return {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")},
        "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "OMP_NUM_THREADS": "1",
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE),
        "no_proxy": "127.0.0.1,localhost",
        "MONAI_LABEL_AUTO_UPDATE_SCORING": "false",
    }


def copy_app(environment: Path, folder: Path) -> Path:
    """The monaibundle app from MONAI Label's own package; returns its folder of models."""
    command = [environment / "bin" / "monailabel", "apps", "--download", "--name", "monaibundle", "--output", folder]
    subprocess.run(command, env=server_variables(environment, folder), check=True, capture_output=True)
    models = folder / "monaibundle" / "model"
    models.mkdir()
    return models


@contextmanager
def started(environment: Path, apps: Path, studies: Path, conf: dict[str, str]) -> Iterator[Server]:
    """The server over the models in an app's folder, until the block ends."""
    settings = [word for key, value in conf.items() for word in ("--conf", key, value)]
    command = [environment / "bin" / "monailabel", "start_server", "--app", apps / "monaibundle", "--studies", studies]
    with serving([*map(str, command), *HERE, *settings], apps, server_variables(environment, apps)) as server:
        yield server


@contextmanager
def serving(command: list[str], folder: Path, variables: dict[str, str]) -> Iterator[Server]:
    """The server that a command starts, in whose words a free port is filled in, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    log = folder / "server.log"
    with (
        log.open("w") as output,
        ending_with_us(
            [word.replace(PORT, port) for word in command],
            cwd=folder,
            env=variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        server = Server(f"http://127.0.0.1:{port}", log)
        wait_for(process, server)
        yield server


def wait_for(process: subprocess.Popen[bytes], server: Server) -> None:
    """Until the server answers."""
    until = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, f"the server ended\n{server.tail()}"
        assert time.monotonic() < until, f"the server does not answer\n{server.tail()}"
        try:
            server.get("/info/")
            return
        except urllib.error.URLError:
            time.sleep(0.5)
