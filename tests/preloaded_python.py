"""A `python` for tests of commands that has imported MONAI already: each start saves seconds, of a hundred starts.

The `python` in the folder that `preloaded_python` yields hands arguments, folder, environment and streams to a server
with the libraries loaded, which forks; the fork runs them as Python does. All but `-m MODULE` runs in the real one,
after -u too, which torchrun gives to the programs that it starts.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# torch._dynamo: torch imports it for operators of some kinds
LIBRARIES = ("monai.bundle", "fire", "matplotlib.pyplot", "torch._dynamo", "torch.utils.tensorboard")
LOADED = (*LIBRARIES, "custom.__main__", "tests.plain_pictures")
STREAMS = (0, 1, 2)
REQUEST_BYTES = 1 << 20

CLIENT = """#!{python} -IS
import json, os, socket, sys
words = sys.argv[2:] if sys.argv[1:2] == ["-u"] else sys.argv[1:]
if words[:1] != ["-m"]:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
request = json.dumps([words[1:], os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(request) + 4096)
    server.connect({address!r})
    socket.send_fds(server, [request], [0, 1, 2])
    answer = server.recv(16)
sys.exit(int(answer or b"1"))
"""


@contextmanager
def preloaded_python(
    folder: Path,
    python: str = sys.executable,
    server: Sequence[str] = ("-m", "tests.preloaded_python"),
    loaded: Sequence[str] = LOADED,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Path]:
    """Yields a folder for the head of PATH, with `python` in it.

    Args:
        folder: an empty folder, of a short name: addresses of sockets have 107 bytes.
        python: the real one.
        server: its arguments that run this file; `-I FILE` where the tests are not to be found.
        loaded: the modules that it imports.
        environment: its variables; None: those of this process.
    """
    address = str(folder / "server")
    program = folder / "bin" / "python"
    program.parent.mkdir()
    program.write_text(CLIENT.format(python=python, address=address))
    program.chmod(0o755)
    process = subprocess.Popen([python, *server, address, *loaded], env=environment, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), "the server listens"
        yield program.parent
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def serve(address: str, loaded: Sequence[str]) -> tuple[list[str], str, dict[str, str]]:
    """Fork for every request and wait for it in a second fork; returns in the one that is to run it."""
    for name in loaded:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a fork need not look through the libraries for garbage
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the forks that wait are not waited for
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(address)
        server.listen()
        print("listening", flush=True)
        while True:
            client, _ = server.accept()
            with client:
                if os.fork():
                    continue
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                request, streams, *_ = socket.recv_fds(client, REQUEST_BYTES, len(STREAMS))
                child = os.fork()
                if child:
                    for stream in streams:
                        os.close(stream)
                    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                    client.sendall(str(status if status >= 0 else 128 - status).encode())
                    os._exit(0)
            for stream, number in zip(streams, STREAMS, strict=True):
                os.dup2(stream, number)
                os.close(stream)
            arguments, folder, environment = json.loads(request)
            return arguments, folder, environment


def run(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """What `python -m` does with the arguments that follow."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv[:] = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def status_of(exit_: SystemExit) -> int:
    """The exit status that Python makes of it."""
    if exit_.code is None or isinstance(exit_.code, int):
        return exit_.code or 0
    print(exit_.code, file=sys.stderr)
    return 1


def shown_status() -> int:
    """Show the exception at hand as Python does; a hook may end the program with a status of its own."""
    try:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    except SystemExit as exit_:
        return status_of(exit_)
    return 1


def main() -> None:
    """Ends without Python's own end: a library that was loaded would wait for a thread that did not come along."""
    status = 1
    try:
        request = serve(sys.argv[1], sys.argv[2:])
        try:
            run(*request)
            status = 0
        except SystemExit as exit_:
            status = status_of(exit_)
        except BaseException:
            status = shown_status()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
