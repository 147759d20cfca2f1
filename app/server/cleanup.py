"""Files that this app leaves on disk: their owners, and the removal of those without one.

    python -m app.server.cleanup           every temporary file and cache: owner, size, age
    python -m app.server.cleanup --clear   removes those that may go

    what                                  whose                goes
    dsanet-lens-* among temporary files   a session's          once nobody holds its lock
    .cache/samples, .cache/run_videos     the server's films   over CACHE_BYTES, or where the disk
                                                               lacks room: not asked for longest
      of an earlier benchmark, .*.part-*  nobody's             after an hour
    runs/*/.*.part-*                      a run's at work      after an hour without one
    weights/.*.part-*                     an import's          after an hour
    runs/*/log.txt                        a run's              over LOG_BYTES: its beginning
    .cache/servers                        a running server's   once nobody holds its lock
    all else in .cache                    of tools/            never

A server does this when it starts and from then on every ten minutes (`upkeep`).
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app import ROOT
from app.server import settings
from app.server.run_queue import LOG
from app.server.uploads import LOCK, PREFIX
from dsanet_core import checkpoints, synthetic
from dsanet_core.atomic import is_unfinished
from dsanet_core.errors import printable
from dsanet_core.runs.store import LOCK as RUN_LOCK

FILMS = ("samples", "run_videos")
SERVERS = "servers"
LOG_BYTES, LOG_KEPT = 1 << 20, 1 << 16
"""A longer log loses its beginning, and keeps so much of its end."""
HOUR = 3600.0
YOUNG_SECONDS = 60.0
"""A session's folder exists for a moment before it is locked."""


@dataclass(frozen=True)
class Places:
    """Folders in which this app leaves files."""

    temporary: Path
    cache: Path = ROOT / ".cache"
    runs: Path = ROOT / "runs"
    weights: tuple[Path, ...] = (checkpoints.USER_FOLDER, checkpoints.FOLDER)

    @classmethod
    def usual(cls) -> Places:
        return cls(Path(tempfile.gettempdir()))


@dataclass(frozen=True)
class Item:
    """A file or folder. age: seconds since it was changed, or asked for. may_go: it is nobody's, or
    over its bounds."""

    owner: str
    path: Path
    size: int
    age: float
    may_go: bool


def survey(places: Places) -> list[Item]:
    """Every such file and folder, by owner."""
    return [
        *_sessions(places), *_films(places), *_runs(places), *_weights(places),
        *_servers(places), *_rest(places),
    ]


def clear(items: Sequence[Item]) -> list[Item]:
    """Remove those that may go, unless somebody has begun to use them since; return the removed."""
    return [item for item in items if item.may_go and _remove(item)]


def _sessions(places: Places) -> Iterator[Item]:
    for path in sorted(places.temporary.glob(f"{PREFIX}*")):
        facts = _facts(path)
        # The temporary folder is everybody's: links and folders of other users are not ours.
        if facts is None or not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
            continue
        age = _age(facts.st_mtime)
        min_age = YOUNG_SECONDS if (path / LOCK).exists() else HOUR
        yield Item("session", path, _size(path), age, age > min_age and _is_free(path / LOCK))


def _films(places: Places) -> Iterator[Item]:
    kept = []
    for path in (path for name in FILMS for path in places.cache.glob(f"{name}/*/*")):
        facts = _facts(path)
        if facts is None or not stat.S_ISREG(facts.st_mode):
            continue
        is_part = is_unfinished(path)
        is_old = path.parent.name != f"v{synthetic.VERSION}"
        age = _age(facts.st_mtime if is_part else facts.st_atime)
        item = Item("film", path, facts.st_size, age, (is_part or is_old) and age > HOUR)
        if is_part or is_old:
            yield item
        else:
            kept.append(item)
    kept.sort(key=lambda item: item.age)
    left = settings.CACHE_BYTES if _has_room(places.cache) else 0
    for item in kept:
        left -= item.size
        may_go = left < 0 and item.age > HOUR
        yield Item(item.owner, item.path, item.size, item.age, may_go)


def _runs(places: Places) -> Iterator[Item]:
    for folder in sorted(path for path in places.runs.glob("*") if path.is_dir()):
        is_idle = _is_free(folder / RUN_LOCK)
        for path in filter(is_unfinished, folder.glob("*")):
            if (facts := _facts(path)) is not None:
                age = _age(facts.st_mtime)
                yield Item("run", path, facts.st_size, age, is_idle and age > HOUR)
        log = _facts(folder / LOG)
        if log is not None:
            age, is_long = _age(log.st_mtime), log.st_size > LOG_BYTES
            yield Item("run", folder / LOG, log.st_size, age, is_long)


def _weights(places: Places) -> Iterator[Item]:
    files = (path for folder in places.weights for path in folder.glob("*"))
    for path in filter(is_unfinished, files):
        if (facts := _facts(path)) is not None:
            age = _age(facts.st_mtime)
            yield Item("weights", path, facts.st_size, age, age > HOUR)


def _servers(places: Places) -> Iterator[Item]:
    for path in sorted((places.cache / SERVERS).glob("*.json")):
        if (facts := _facts(path)) is not None:
            yield Item("server", path, facts.st_size, _age(facts.st_mtime), _is_free(path))


def _rest(places: Places) -> Iterator[Item]:
    for path in sorted(places.cache.glob("*")):
        facts = _facts(path)
        if facts is not None and path.name not in (*FILMS, SERVERS):
            yield Item("tools", path, _size(path), _age(facts.st_mtime), False)


def _remove(item: Item) -> bool:
    try:
        if item.path.name == LOG:
            _shorten(item.path)
        elif item.owner == "session":
            with _held(item.path / LOCK) as is_mine:
                if not is_mine:
                    return False
                shutil.rmtree(item.path)
        else:
            item.path.unlink()
            if item.owner == "film":
                with suppress(OSError):  # unless it is empty now
                    item.path.parent.rmdir()
    except OSError:
        return False  # gone already, or not ours to remove: it stays in the survey
    return True


def _shorten(log: Path) -> None:
    """Cut off the beginning; a process that appends meanwhile goes on at the end."""
    with log.open("r+b") as file:
        file.seek(-min(LOG_KEPT, file.seek(0, os.SEEK_END)), os.SEEK_END)
        end = file.read()
        file.seek(0)
        file.truncate()
        file.write(end[end.find(b"\n") + 1 :])


def _is_free(lock: Path) -> bool:
    with _held(lock) as is_mine:
        return is_mine


@contextmanager
def _held(lock: Path) -> Iterator[bool]:
    """True within, where it holds the lock; false where another does. A lock whose file is not
    there is free."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        yield not lock.exists()
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)


def _has_room(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free >= settings.FREE_DISK_BYTES
    except OSError:
        return True  # nothing there yet


def _facts(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def _age(moment: float) -> float:
    """Seconds since, or until: a moment that lies ahead was noted before the clock went back."""
    return abs(time.time() - moment)


def _size(path: Path) -> int:
    if not path.is_dir() or path.is_symlink():
        facts = _facts(path)
        return 0 if facts is None else facts.st_size
    return sum(_size(inner) for inner in path.glob("*"))


def main() -> None:
    description = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser("python -m app.server.cleanup", description=description)
    parser.add_argument("--clear", action="store_true", help="remove what may go")
    wants_clear = parser.parse_args().clear
    items = survey(Places.usual())
    gone = clear(items) if wants_clear else []
    print(f"{'owner':8}  {'MB':>9}  {'hours':>8}  {'':8}  what")
    for item in items:
        status = "removed" if item in gone else "may go" if item.may_go else ""
        name = printable(str(item.path))
        print(f"{item.owner:8}  {item.size / 1e6:9.2f}  {item.age / HOUR:8.1f}  {status:8}  {name}")


if __name__ == "__main__":
    main()
