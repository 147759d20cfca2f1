"""A run's folder: what it is about, what has been done, who is at it, and when it is finished.

    run.json                    what is run: weights, dataset, protocol, versions (the manifest)
    videos.<count>.<token>.parquet, errors.<count>.<token>.parquet   shards, each written at once
    progress.json               how far the processes at work are; gone stale when they are
    lock                        held by the first of the processes at work
    summary.parquet             the `Run`, once every video is done

Shards appear whole or not at all, and what a run has done is what its shards say: nothing else has
to be kept in step with them. A row that stands in two shards counts once.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dsanet_core.errors import RunError
from dsanet_core.records import Array
from dsanet_core.runs.answers import Answer, Failure
from dsanet_core.runs.files import write_atomically
from dsanet_core.runs.summary import FILE as SUMMARY

MANIFEST, PROGRESS, LOCK = "run.json", "progress.json", "lock"
_NUMBERS = pa.list_(pa.float32())
_VIDEOS = pa.schema([
    ("row", pa.int64()),
    ("video", pa.string()),
    ("label", pa.int32()),
    ("scores", _NUMBERS),
    ("snippet_scores", _NUMBERS),
    ("dependency_weights", _NUMBERS),
    ("kernel_distances", _NUMBERS),
    ("kernel_taps", _NUMBERS),
    ("decode_seconds", pa.float32()),
    ("network_seconds", pa.float32()),
])
"""Arrays lie flat, the last index running fastest: snippet_scores (snippets, classes),
dependency_weights (blocks, dependencies), kernel_distances (blocks, 2), kernel_taps (blocks, taps);
the names of blocks and dependencies stand in the schema's metadata."""
_ERRORS = pa.schema([("row", pa.int64()), ("video", pa.string()), ("reason", pa.string())])
_LAYOUT = b"layout"


@dataclass(frozen=True)
class Progress:
    """How far a run is. done: videos, failed ones among them; rate: videos per second of this
    session; seconds_left: at that rate, None before there is one. process, host: of the first
    process at work. updated: seconds since the epoch."""

    done: int
    failed: int
    total: int
    rate: float = 0.0
    seconds_left: float | None = None
    process: int = 0
    host: str = ""
    updated: float = 0.0

    def describe(self) -> str:
        """In words, with the rate and the time left where somebody is at work."""
        said = [f"{self.done} of {self.total} videos"]
        if self.failed:
            said.append(f"{self.failed} unreadable")
        if self.rate:
            said.append(f"{self.rate:.1f} videos/s")
        if self.seconds_left is not None:
            minutes, seconds = divmod(round(self.seconds_left), 60)
            hours, minutes = divmod(minutes, 60)
            time_left = f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
            said.append(f"{time_left} left")
        return ", ".join(said)


class RunFolder:
    """One run on disk. `manifest`: see `engine`. Raises RunError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text())
            self.total = int(self.manifest["videos"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path.name} is no run ({type(error).__name__}: {error})",
                f"a folder with a {MANIFEST}",
                "Delete the folder, or start the run again.",
            ) from error

    @classmethod
    def make(cls, path: Path, manifest: dict[str, Any]) -> RunFolder:
        """The folder of this manifest, new or as an earlier session left it."""
        path.mkdir(parents=True, exist_ok=True)
        if not (path / MANIFEST).exists():
            text = json.dumps(manifest, indent=2)
            write_atomically(path / MANIFEST, lambda part: part.write_text(text))
        return cls(path)

    @property
    def is_finished(self) -> bool:
        return (self.path / SUMMARY).exists()

    @property
    def is_at_work(self) -> bool:
        """Does a process of this machine hold the lock?"""
        try:
            with (self.path / LOCK).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else works on this run meanwhile; a process that dies lets go of it."""
        with (self.path / LOCK).open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunError(
                    f"another process is at work on {self.path.name}",
                    "one at a time",
                    "Wait for it, or stop it first.",
                ) from error
            # What an earlier process reported, its number among it, must not pass for this one's.
            (self.path / PROGRESS).unlink(missing_ok=True)
            yield

    def done(self) -> set[int]:
        """Rows that need no more work, unreadable videos among them. A damaged shard is set aside
        under another name, and its rows are done again."""
        rows: set[int] = set()
        for shard in (*self._shards("videos"), *self._shards("errors")):
            try:
                rows.update(pq.read_table(shard, columns=["row"])["row"].to_pylist())
            except (OSError, pa.ArrowException):
                shard.rename(shard.with_suffix(".damaged"))
        return rows

    def counts(self) -> tuple[int, int]:
        """Videos that shards say are answered and failed, from their names alone."""
        answered, failed = (
            sum(int(shard.name.split(".")[1]) for shard in self._shards(kind))
            for kind in ("videos", "errors")
        )
        return answered, failed

    def write(self, answers: Sequence[Answer], videos: Sequence[str], labels: Array) -> None:
        """A shard of answers; videos, labels: name and class index of each.

        Raises RunError, with nothing written, where the disk takes no more.
        """
        first = answers[0]
        layout = {
            "dependencies": first.dependencies,
            "dependency_blocks": list(first.dependency_weights),
            "kernel_blocks": list(first.kernel_taps),
        }
        columns: dict[str, Any] = {
            "row": [answer.row for answer in answers],
            "video": videos,
            "label": labels,
            "scores": [answer.scores for answer in answers],
            "snippet_scores": [answer.snippet_scores.ravel() for answer in answers],
            **{
                name: [_flat(getattr(answer, name)) for answer in answers]
                for name in ("dependency_weights", "kernel_distances", "kernel_taps")
            },
            **{
                f"{step}_seconds": [answer.seconds.get(step, 0.0) for answer in answers]
                for step in ("decode", "network")
            },
        }
        self._write("videos", columns, _VIDEOS.with_metadata({_LAYOUT: json.dumps(layout)}))

    def write_failures(self, failures: Sequence[Failure], videos: Sequence[str]) -> None:
        """A shard of the errors table; raises as `write`."""
        columns = {
            "row": [failure.row for failure in failures],
            "video": videos,
            "reason": [failure.reason for failure in failures],
        }
        self._write("errors", columns, _ERRORS)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The table of videos (some columns of it, "row" always), by row, each once."""
        wanted = None if columns is None else list(dict.fromkeys(["row", *columns]))
        return _read(self._shards("videos"), wanted, _VIDEOS)

    def layout(self) -> dict[str, Any]:
        """Names of the dependencies, and of the blocks that the columns of arrays are about."""
        layout: dict[str, Any] = json.loads(
            pq.read_schema(self._shards("videos")[0]).metadata[_LAYOUT]
        )
        return layout

    def errors(self) -> list[tuple[str, str]]:
        """(video, reason) of every video that could not be read, by row."""
        table = _read(self._shards("errors"), None, _ERRORS)
        return list(zip(table["video"].to_pylist(), table["reason"].to_pylist(), strict=True))

    def report(self, progress: Progress) -> None:
        """Leave word of the progress for others; a disk that takes none is no reason to stop."""
        part = self.path / f"{PROGRESS}.{os.getpid()}"
        try:
            part.write_text(json.dumps(asdict(progress)))
            part.replace(self.path / PROGRESS)
        except OSError:
            part.unlink(missing_ok=True)

    def progress(self) -> Progress:
        """What was last reported where somebody is at work, else what the shards say."""
        if self.is_at_work:
            try:
                return Progress(**json.loads((self.path / PROGRESS).read_text()))
            except (OSError, ValueError, TypeError):
                pass  # at work, and not so far yet
        answered, failed = self.counts()
        return Progress(done=answered + failed, failed=failed, total=self.total)

    def delete(self) -> None:
        """Remove the run and everything it found. Raises RunError while somebody is at work."""
        with self.locked():
            shutil.rmtree(self.path)

    def _shards(self, kind: str) -> list[Path]:
        return sorted(self.path.glob(f"{kind}.*.parquet"))

    def _write(self, kind: str, columns: dict[str, Any], schema: pa.Schema) -> None:
        count = len(columns["row"])
        path = self.path / f"{kind}.{count}.{time.time_ns()}-{secrets.token_hex(4)}.parquet"
        table = pa.table(columns, schema)
        try:
            write_atomically(path, lambda part: pq.write_table(table, part, compression="zstd"))
        except OSError as error:
            raise RunError(
                f"{count} videos could not be kept in {self.path} ({error})",
                "a disk with room that this process may write to",
                "Make room and give the same command again: what was kept before is not lost.",
            ) from error


def _flat(values: dict[str, Array]) -> Array:
    return np.concatenate([value.ravel() for value in values.values()] or [np.empty(0)])


def _read(shards: Sequence[Path], columns: list[str] | None, schema: pa.Schema) -> pa.Table:
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    tables = [pq.read_table(shard, columns=columns) for shard in shards]
    table = pa.concat_tables([wanted.empty_table(), *(t.cast(wanted) for t in tables)])
    _, first = np.unique(table["row"].to_numpy(), return_index=True)
    return table.take(first)
