"""The process that forks a fresh, already loaded child for every file.

    python -m dsanet_core.video.fork_server CONTROL_FD

It has one thread, touches no video and reads no request: over its control socket come pairs of
sockets, one pair for each child. On `talk` the child gets its request and answers. On `leash` the
server writes the child's number when it has started, and a JSON line when it is gone; when the
other side hangs up there, the child is killed with all that it has started. The server ends, and
the children with it, when the control socket is closed.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

from dsanet_core.video import worker
from dsanet_core.video.confine import die_with_parent, isolate

Work = Callable[[socket.socket, tuple[str, ...]], None]
"""What a child does: it gets its end of `talk` and what the server has given up."""

TALK_FD = 3


class ForkServer:
    def __init__(self, control: socket.socket, work: Work) -> None:
        self.control = control
        self.work = work
        self.isolation = isolate()
        self.leashes: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(control, selectors.EVENT_READ)
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
                if key.fileobj is self.control:
                    if not self._start_child():
                        return
                elif key.fileobj == self.wake_up:
                    self._bury()
                else:
                    self._kill(key.data)

    def _start_child(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self.control, 1, 2)
        if not message:
            for pid in self.leashes:
                os.killpg(pid, signal.SIGKILL)
            return False
        if len(descriptors) == 2:
            talk, leash = (socket.socket(fileno=descriptor) for descriptor in descriptors)
            self._fork(talk, leash)
        return True

    def _fork(self, talk: socket.socket, leash: socket.socket) -> None:
        server_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            _live(talk, self.work, self.isolation, server_pid)
        talk.close()
        with suppress(OSError):  # the child has done it, or is gone
            os.setpgid(pid, pid)
        leash.setblocking(False)
        self.leashes[pid] = leash
        self.selector.register(leash, selectors.EVENT_READ, pid)
        _write(leash, {"pid": pid})

    def _kill(self, pid: int) -> None:
        if pid in self.leashes:  # not yet buried, so this can meet no other process
            os.killpg(pid, signal.SIGKILL)
            self.selector.unregister(self.leashes[pid])

    def _bury(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.wake_up, 4096)
        while self.leashes:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            with suppress(ProcessLookupError):  # what it may have started itself
                os.killpg(pid, signal.SIGKILL)
            leash = self.leashes.pop(pid)
            with suppress(KeyError):
                self.selector.unregister(leash)
            report = {
                "exit": os.waitstatus_to_exitcode(status),
                "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
            }
            _write(leash, report)
            leash.close()


def _write(leash: socket.socket, report: dict[str, float]) -> None:
    with suppress(OSError):  # nobody listens any more
        leash.send(json.dumps(report).encode() + b"\n")


def _live(talk: socket.socket, work: Work, isolation: tuple[str, ...], server_pid: int) -> None:
    """The whole life of a child: in a process group of its own, with nothing open but `talk`."""
    code = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(server_pid)
        os.dup2(0, 2)
        os.dup2(talk.detach(), TALK_FD)
        os.closerange(TALK_FD + 1, os.sysconf("SC_OPEN_MAX"))
        work(socket.socket(fileno=TALK_FD), isolation)
        code = 0
    finally:
        os._exit(code)


def serve(work: Work) -> None:
    """Be the server of the control socket that the command line ends with."""
    ForkServer(socket.socket(fileno=int(sys.argv[-1])), work).run()


if __name__ == "__main__":
    with suppress(ImportError):  # each child says so
        worker.load_decoder()
    serve(worker.work)
