"""A server of the app in a process of its own, and the resources of its processes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 90
SAMPLE_SECONDS = 5
PROC = Path("/proc")


@dataclass(frozen=True)
class Holdings:
    """Resources of the server and its children at a moment. at: monotonic seconds; memory: resident
    bytes of them all, shared pages counted in each; files: temporary ones."""

    at: float
    memory: int
    descriptors: int
    processes: int
    threads: int
    files: int
    file_bytes: int


class Server:
    """A running app: its address, its log, its processes."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, scratch: Path) -> None:
        self.address = f"http://localhost:{port}"
        self.process = process
        self.temporary = scratch / "tmp"
        self._log = scratch / "server.log"

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def tracebacks(self) -> int:
        return self.log().count("Traceback (most recent call last)")

    def children(self, mark: str = "") -> list[int]:
        """Process ids below the server whose command line contains `mark`."""
        below, found = {self.process.pid}, []
        parents = sorted(_parents().items())
        while more := {pid for pid, parent in parents if parent in below} - below:
            below |= more
        for pid in sorted(below - {self.process.pid}):
            with suppress(OSError):
                command = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace")
                if mark in command:
                    found.append(pid)
        return found

    def holdings(self) -> Holdings:
        memory = descriptors = processes = threads = 0
        for pid in (self.process.pid, *self.children()):
            with suppress(OSError, StopIteration):  # a child may end while it is looked at
                status = (PROC / str(pid) / "status").read_text()
                resident = re.search(r"VmRSS:\s+(\d+)", status)
                if resident is None:
                    continue  # ended, not yet collected
                descriptors += len(list((PROC / str(pid) / "fd").iterdir()))
                memory += 1024 * int(resident[1])
                threads += int(re.search(r"Threads:\s+(\d+)", status)[1])  # type: ignore[index]
                processes += 1
        sizes = list(self._sizes())
        return Holdings(
            time.monotonic(), memory, descriptors, processes, threads, len(sizes), sum(sizes)
        )

    def _sizes(self) -> Iterator[int]:
        for path in self.temporary.rglob("*"):
            with suppress(OSError):
                if not path.is_dir():  # torch makes an empty one when it is first needed
                    yield path.lstat().st_size


def _parents() -> dict[int, int]:
    found = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                # The name of the program stands in brackets and may hold anything.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                found[int(folder.name)] = int(fields[1])
    return found


@contextmanager
def running(scratch: Path) -> Iterator[Server]:
    """The app on a free port, its temporary files in a folder of their own below `scratch`."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    command += ["--server.port", str(port), "--server.headless", "true"]
    (scratch / "tmp").mkdir()
    environment = os.environ | {"TMPDIR": str(scratch / "tmp"), "PYTHONPATH": str(ROOT)}
    with (
        (scratch / "server.log").open("wb") as out,
        subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment) as process,
    ):
        server = Server(process, port, scratch)
        try:
            _wait_until_healthy(server)
            yield server
        finally:
            process.terminate()


def _wait_until_healthy(server: Server) -> None:
    end = time.monotonic() + START_SECONDS
    while server.process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{server.address}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"the app did not start:\n{server.log()}")


class Watch(threading.Thread):
    """Records the resources of a server every few seconds until it is stopped."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.samples: list[Holdings] = []
        self._server, self._stop_asked = server, threading.Event()

    def run(self) -> None:
        while not self._stop_asked.wait(SAMPLE_SECONDS):
            self.samples.append(self._server.holdings())

    def stop(self) -> list[Holdings]:
        self._stop_asked.set()
        self.join()
        return self.samples
