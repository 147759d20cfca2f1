"""The process that forks a fresh, already loaded child for every video, and the child's work.

    python -m dsanet_core.video.fork_server

The server has one thread, touches no video and reads no request: over its channel come pairs of
sockets, one pair for each child. On `data` the child gets its request and answers. On `control` the
server sends the child's number when it has started, and its exit code and cost when it is gone;
when the other side hangs up there, the child is killed with all that it has started. The server
ends, and the children with it, when its channel is closed.

A request comes with the video, already open, so that the child never learns its path. The payload
of an answer is raw RGB.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import FileIO
from typing import Any

from dsanet_core.child_process import Channel, parent_channel
from dsanet_core.records import Sampling
from dsanet_core.video.confine import confine, die_with_parent, isolate
from dsanet_core.video.limits import Limits

Work = Callable[[socket.socket, tuple[str, ...]], None]
"""The work of a child, called with its end of `data` and the privileges that the server gave up."""

DATA_FD = 3


class ForkServer:
    def __init__(self, channel: Channel, work: Work) -> None:
        self.channel = channel
        self.work = work
        self.isolation = isolate()
        self.controls: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(channel.socket, selectors.EVENT_READ)
        self.wake_up, woken = os.pipe()
        for end in (self.wake_up, woken):
            os.set_blocking(end, False)
        self.selector.register(self.wake_up, selectors.EVENT_READ)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        gc.collect()
        gc.freeze()  # what is loaded stays shared with the children

    def run(self) -> None:
        """Serve until the other side is gone."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.channel.socket:
                    try:
                        _, files = self.channel.receive_files(2)
                    except EOFError:
                        for pid in self.controls:
                            os.killpg(pid, signal.SIGKILL)
                        return
                    if len(files) == 2:
                        self._fork(*(socket.socket(fileno=descriptor) for descriptor in files))
                elif key.fileobj == self.wake_up:
                    self._reap()
                else:
                    self._kill(key.data)

    def _fork(self, data: socket.socket, control: socket.socket) -> None:
        server_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            _run_child(data, self.work, self.isolation, server_pid)
        data.close()
        with suppress(OSError):  # the child has done it, or is gone
            os.setpgid(pid, pid)
        control.setblocking(False)
        self.controls[pid] = control
        self.selector.register(control, selectors.EVENT_READ, pid)
        _report(control, {"pid": pid})

    def _kill(self, pid: int) -> None:
        if pid in self.controls:  # not yet reaped, so this can meet no other process
            os.killpg(pid, signal.SIGKILL)
            self.selector.unregister(self.controls[pid])

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.wake_up, 4096)
        while self.controls:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            with suppress(ProcessLookupError):  # what it may have started itself
                os.killpg(pid, signal.SIGKILL)
            control = self.controls.pop(pid)
            with suppress(KeyError):
                self.selector.unregister(control)
            report = {
                "exit": os.waitstatus_to_exitcode(status),
                "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
            }
            _report(control, report)
            control.close()


def _report(control: socket.socket, facts: dict[str, float]) -> None:
    with suppress(OSError):  # nobody listens any more
        Channel(control).send(facts)


def _run_child(
    data: socket.socket, work: Work, isolation: tuple[str, ...], server_pid: int
) -> None:
    """The whole life of a child: in a process group of its own, with nothing open but `data`."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(server_pid)
        os.dup2(0, 2)
        os.dup2(data.detach(), DATA_FD)
        os.closerange(DATA_FD + 1, os.sysconf("SC_OPEN_MAX"))
        work(socket.socket(fileno=DATA_FD), isolation)
        code = 0
    finally:
        os._exit(code)


def serve(work: Work) -> None:
    """Be the server of the process that started this one."""
    ForkServer(parent_channel(), work).run()


@cache
def load_decoder() -> None:
    """Import all of PyAV now, and what works with it: it loads parts of itself when a file first
    needs them, and by then no file can be opened any more."""
    import av

    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in ("av.__main__", "av.datasets"):
            importlib.import_module(module.name)
    for name in ("decode", "transcode"):
        importlib.import_module(f"dsanet_core.video.{name}")


def decode_one(data: socket.socket, isolation: tuple[str, ...]) -> None:
    """Answer the one request that comes over `data`. isolation: what was given up before."""
    channel = Channel(data)
    request, descriptors = channel.receive_files(2)
    files = [FileIO(fd, mode) for fd, mode in zip(descriptors, ("rb", "wb"), strict=False)]
    try:
        header, pictures = _answered(request, files, isolation)
    except Exception as error:
        header, pictures = {"failed": f"{type(error).__name__}: {error}"}, []
    channel.send(header, pictures, sizes=[sum(picture.nbytes for picture in pictures)])


def _answered(
    request: dict[str, Any], files: list[FileIO], isolation: tuple[str, ...]
) -> tuple[dict[str, Any], list[Any]]:
    """Header and pictures of the answer."""
    try:
        load_decoder()
    except ImportError as error:
        return {"refused": "no_decoder_library", "detail": str(error)}, []
    from dsanet_core.video import container, decode, transcode

    limits = Limits(**request["limits"])
    gave_up = confine(
        limits,
        file_bytes=os.fstat(files[0].fileno()).st_size,
        max_output_bytes=request.get("max_output_bytes", 0),
        num_files=files[-1].fileno() + 1,
    )
    try:
        if request["task"] == "protections":
            return {"protections": [*isolation, *gave_up]}, []
        if request["task"] == "proxy":
            return transcode.make_proxy(files[0], files[1], request["max_seconds"], limits), []
        sampling = Sampling(**request["sampling"])
        reading = decode.read_snippets(
            files[0], sampling, limits, request.get("part"), request.get("window"),
            request.get("draw"),
        )
    except container.RefusalError as refusal:
        return {"refused": refusal.code, "detail": refusal.detail}, []
    except (MemoryError, BlockingIOError):  # the latter: no room for a thread's stack
        return {"refused": "memory", "detail": ""}, []
    return reading.facts, reading.pictures


if __name__ == "__main__":
    with suppress(ImportError):  # each child says so
        load_decoder()
    serve(decode_one)
