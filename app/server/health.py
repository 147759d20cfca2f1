"""Health checks: `python -m app.server.health [--json]`, a line per check, exit code 0 or 1.

Streamlit's own answer to that (`/_stcore/health`) is "ok" as long as it answers at all. The rest is
asked from outside, without opening anything to visitors: each server writes its status
(`StatusFile`) to `.cache/servers/`, where its user alone may read it, and this command reads it
beside the disks, the memory, the runs and what was left behind. No name of a user's file appears.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.server import settings
from app.server.cleanup import HOUR, SERVERS, Places, survey
from dsanet_core.errors import LensError
from dsanet_core.runs.store import RunFolder
from dsanet_core.text_format import file_size

STATUS_SECONDS = 15.0
SILENT_SECONDS = 90.0
"""A server that has not written its status for so long hangs."""
ANSWER_SECONDS = 10.0
READS, READ_PAUSE_SECONDS = 5, 0.05
FREE_MEMORY = 0.05
"""Of all memory: less is too little."""
LEFT_BYTES = 1 << 30
"""Bytes without an owner above which a server does not clean up as it should."""

Facts = Mapping[str, Any]
_observed: dict[str, Callable[[], Facts]] = {}


def observe(name: str, facts: Callable[[], Facts]) -> None:
    """From now on the status of this server has what `facts` returns, numbers and short words of no
    user's choosing, as a check of this name; `ok`: False among them makes it fail."""
    _observed[name] = facts


class StatusFile:
    """The status of a server: a file that it holds locked while it lives."""

    def __init__(self, cache: Path, address: str) -> None:
        self._path = cache / SERVERS / f"{os.getpid()}.json"
        self._address, self._started = address, time.time()
        self._handle: int | None = None

    def write(self) -> None:
        """Write the time and what is observed. Raises OSError where that cannot be."""
        if self._handle is None or os.fstat(self._handle).st_nlink == 0:  # the cache was deleted
            self._open()
        assert self._handle is not None
        status = {
            "process": os.getpid(), "address": self._address, "started": self._started,
            "beat": time.time(), "observed": {name: _ask(ask) for name, ask in _observed.items()},
        }
        os.pwrite(self._handle, text := json.dumps(status).encode(), 0)
        os.ftruncate(self._handle, len(text))

    def _open(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        self._handle = handle


def _ask(facts: Callable[[], Facts]) -> dict[str, Any]:
    try:
        return dict(facts())
    except Exception as error:  # one that fails must not hide the others
        return {"ok": False, "error": type(error).__name__}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and a sentence about it."""

    name: str
    ok: bool
    says: str
    facts: dict[str, Any] = field(default_factory=dict)


def checks(places: Places, address: str | None = None) -> list[Check]:
    """All of them. address: of a server, such as "http://localhost:8501", besides those with a
    status file."""
    return [
        *_servers(places, address), *_disks(places), *_memory(), *_runs(places), *_left(places)
    ]


def _servers(places: Places, address: str | None) -> Iterator[Check]:
    statuses = list(_statuses(places))
    if not statuses and address is None:
        yield Check("server", False, "no server has left word; is it started, and was it visited?")
    for status in statuses:
        silent = time.time() - status["beat"]
        hours = (time.time() - status["started"]) / HOUR
        says = f"up for {hours:.1f} h, last heard of {silent:.0f} s ago"
        yield Check("server", abs(silent) <= SILENT_SECONDS, says, _of_process(status["process"]))
        for name, facts in status["observed"].items():
            says = ", ".join(f"{key} {value}" for key, value in facts.items() if key != "ok")
            yield Check(name, bool(facts.get("ok", True)), says, facts)
    addresses = {str(status["address"]) for status in statuses} | ({address} if address else set())
    for answering in sorted(addresses):
        yield _http_check(answering)


def _statuses(places: Places) -> Iterator[dict[str, Any]]:
    """Those of running servers."""
    for path in sorted((places.cache / SERVERS).glob("*.json")):
        for _ in range(READS):
            try:
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                break  # nobody's
            except BlockingIOError:
                try:
                    yield json.loads(path.read_bytes())
                    break
                except ValueError:
                    time.sleep(READ_PAUSE_SECONDS)  # it is being written in this moment
            except OSError:
                break  # it has just gone


def _http_check(address: str) -> Check:
    try:
        url = f"{address}/_stcore/health"
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
            ok = answer.status == 200 and answer.read(16) == b"ok"
        return Check("answer", ok, f"{address} answers" if ok else f"{address} answers otherwise")
    except (OSError, ValueError) as error:
        return Check("answer", False, f"{address} does not answer ({type(error).__name__})")


def _of_process(process: int) -> dict[str, Any]:
    """Resident memory, descriptors and threads, where the platform tells."""
    folder = Path("/proc") / str(process)
    try:
        lines = dict(
            line.split(":", 1) for line in (folder / "status").read_text().splitlines()
        )
        return {
            "resident_mb": int(lines["VmRSS"].split()[0]) // 1024,
            "threads": int(lines["Threads"]), "descriptors": len(list((folder / "fd").iterdir())),
        }
    except (OSError, KeyError, ValueError):
        return {}


def _disks(places: Places) -> Iterator[Check]:
    for name in ("temporary", "cache", "runs"):
        folder: Path = getattr(places, name)
        while not folder.exists():  # made when it is needed
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        says = f"{file_size(free)} free"
        ok = free >= settings.FREE_DISK_BYTES
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"x")
        except OSError as error:
            ok, says = False, f"{says}, and cannot be written to ({error.strerror})"
        yield Check(f"disk of {name}", ok, says, {"free_bytes": free})


def _memory() -> Iterator[Check]:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return  # not on this platform
    lines = dict(line.split(":", 1) for line in text.splitlines())
    total, free = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    says = f"{file_size(free)} of {file_size(total)} free"
    yield Check("memory", free >= FREE_MEMORY * total, says, {"free_bytes": free})


def _runs(places: Places) -> Iterator[Check]:
    at_work = finished = stopped = damaged = aside = 0
    for path in places.runs.glob("*"):
        if not (path / "run.json").exists() and not (path / "summary.parquet").exists():
            continue
        try:
            folder = RunFolder(path)
        except LensError:
            damaged += 1
            continue
        aside += len(folder.damaged())
        at_work += folder.is_at_work
        finished += folder.is_finished
        stopped += not folder.is_at_work and not folder.is_finished
    facts = {
        "at_work": at_work, "finished": finished, "stopped": stopped, "damaged": damaged,
        "set_aside": aside,
    }
    says = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in facts.items())
    yield Check("runs", damaged == 0, says, facts)


def _left(places: Places) -> Iterator[Check]:
    items = survey(places)
    may_go = [item for item in items if item.may_go]
    nobodys = sum(item.size for item in may_go)
    oldest = max((item.age for item in may_go), default=0.0) / HOUR
    size = sum(item.size for item in items if item.owner != "tools")
    says = (
        f"{file_size(size)} of temporary files and caches; nobody's are {file_size(nobodys)} "
        f"in {len(may_go)}, the oldest {oldest:.1f} h old"
    )
    if nobodys > LEFT_BYTES:
        says += ": python -m app.server.cleanup --clear"
    facts = {"bytes": size, "nobodys_bytes": nobodys, "nobodys": len(may_go)}
    yield Check("left behind", nobodys <= LEFT_BYTES, says, facts | {"oldest_hours": oldest})


def main() -> None:
    description = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser("python -m app.server.health", description=description)
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--address", help="of a server nobody has visited yet: http://HOST:PORT")
    args = parser.parse_args()
    found = checks(Places.usual(), args.address)
    ok = all(check.ok for check in found)
    if args.json:
        print(json.dumps({"ok": ok, "checks": [asdict(check) for check in found]}, indent=1))
    else:
        for check in found:
            print(f"{'ok' if check.ok else 'FAIL':4}  {check.name:17}  {check.says}")
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
