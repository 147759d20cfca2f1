"""A run's folder: its manifest, results so far, progress, lock and summary.

    run.json                    what is run: weights, dataset, protocol, versions (the manifest)
    videos.<count>...parquet, errors.<count>...parquet   shards, each written at once (`shards`)
    progress.json               how far the processes at work are; gone stale when they are
    lock                        held by the first of the processes at work
    summary.parquet             the `Run`, once every video is done

Shards appear whole or not at all, and what a run has done is what its shards say: nothing else has
to be kept in step with them. A row that stands in two shards counts once. A file that turns out
damaged is set aside as <name>.damaged and made again; nothing is deleted but by `delete`.
"""

from __future__ import annotations

import fcntl
import json
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dsanet_core import atomic
from dsanet_core.errors import RunError
from dsanet_core.json_values import record_from
from dsanet_core.records import Array
from dsanet_core.runs.shards import (
    DAMAGED,
    keeping,
    read_shard,
    read_shards,
    rows_of,
    set_aside,
    shards_of,
    write_shard,
)
from dsanet_core.runs.summary import FILE as SUMMARY

if TYPE_CHECKING:
    from dsanet_core.runs.inference import Failure, VideoPrediction

MANIFEST, PROGRESS, LOCK = "run.json", "progress.json", "lock"
LOCK_TRIES, LOCK_PAUSE_SECONDS = 10, 0.02
"""Whoever asks `is_at_work` holds the lock for a moment."""
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

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunProgress:
    """Progress of a run. done: videos, failed ones among them; rate: videos per second of this
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
        """The folder of this manifest, new or as an earlier session left it.

        One whose manifest is damaged gets it again: its name follows from what is run. Raises
        RunError where the disk takes no more.
        """
        with keeping(MANIFEST, path):
            path.mkdir(parents=True, exist_ok=True)
            if (path / MANIFEST).exists():
                try:
                    return cls(path)
                except RunError as error:
                    logger.warning("%s; it is set aside and written again", error.value)
                    set_aside(path / MANIFEST)
            atomic.write_text(path / MANIFEST, json.dumps(manifest, indent=2))
        return cls(path)

    @property
    def is_finished(self) -> bool:
        return (self.path / SUMMARY).exists()

    @property
    def is_at_work(self) -> bool:
        """True while a process of this machine holds the lock."""
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
        with ExitStack() as stack:
            with keeping(LOCK, self.path):
                file = stack.enter_context((self.path / LOCK).open("ab"))
            for left in reversed(range(LOCK_TRIES)):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if not left:
                        raise RunError(
                            f"another process is at work on {self.path.name}",
                            "one at a time",
                            "Wait for it, or stop it first.",
                        ) from error
                    time.sleep(LOCK_PAUSE_SECONDS)
            # What an earlier process reported, its number among it, must not pass for this one's.
            with keeping(PROGRESS, self.path):
                (self.path / PROGRESS).unlink(missing_ok=True)
            yield

    def done(self) -> set[int]:
        """Rows that need no more work, unreadable videos among them. A damaged shard is set aside,
        and its rows are done again; the log says so."""
        rows: set[int] = set()
        for shard in (*shards_of(self.path, "videos"), *shards_of(self.path, "errors")):
            try:
                rows.update(read_shard(shard)["row"].to_pylist())
            except RunError as error:
                with keeping(f"{shard.name}{DAMAGED}", self.path):
                    aside = set_aside(shard)
                logger.warning(
                    "%s; it is set aside as %s, and its videos are done again",
                    error.value, aside.name,
                )
        return rows

    def damaged(self) -> list[str]:
        """Names of the files that were set aside."""
        return sorted(path.name for path in self.path.glob(f"*{DAMAGED}"))

    def counts(self) -> tuple[int, int]:
        """Numbers of predicted and of unreadable videos, by the names of the shards alone."""
        predicted, failed = (
            sum(map(rows_of, shards_of(self.path, kind)))
            for kind in ("videos", "errors")
        )
        return predicted, failed

    def write(
        self, predictions: Sequence[VideoPrediction], videos: Sequence[str], labels: Array
    ) -> None:
        """Write a shard of predictions; videos, labels: name and class index of each.

        Raises RunError, with nothing written, where the disk takes no more.
        """
        first = predictions[0]
        layout = {
            "dependencies": first.dependencies,
            "dependency_blocks": list(first.dependency_weights),
            "kernel_blocks": list(first.kernel_taps),
        }
        columns: dict[str, Any] = {
            "row": [each.row for each in predictions],
            "video": videos,
            "label": labels,
            "scores": [each.scores for each in predictions],
            "snippet_scores": [each.snippet_scores.ravel() for each in predictions],
            **{
                name: [_flat(getattr(each, name)) for each in predictions]
                for name in ("dependency_weights", "kernel_distances", "kernel_taps")
            },
            **{
                f"{step}_seconds": [each.seconds.get(step, 0.0) for each in predictions]
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
        """The table of videos (some columns of it, "row" always), by row, each once.
        Raises RunError for a damaged shard."""
        wanted = None if columns is None else list(dict.fromkeys(["row", *columns]))
        return read_shards(shards_of(self.path, "videos"), wanted, _VIDEOS)

    def layout(self) -> dict[str, Any]:
        """Names of the dependencies, and of the blocks that the columns of arrays are about."""
        layout: dict[str, Any] = json.loads(
            read_shard(shards_of(self.path, "videos")[0], ["row"]).schema.metadata[_LAYOUT]
        )
        return layout

    def errors(self) -> list[tuple[str, str]]:
        """(video, reason) of every video that could not be read, by row; raises as `read`."""
        table = read_shards(shards_of(self.path, "errors"), None, _ERRORS)
        return list(zip(table["video"].to_pylist(), table["reason"].to_pylist(), strict=True))

    def report(self, progress: RunProgress) -> None:
        """Write the progress for other processes; errors of the disk are ignored."""
        with suppress(OSError):
            atomic.write_text(self.path / PROGRESS, json.dumps(asdict(progress)), sync=False)

    def progress(self) -> RunProgress:
        """The last report while a process is at work, otherwise the counts of the shards."""
        if self.is_at_work:
            try:
                return record_from(RunProgress, json.loads((self.path / PROGRESS).read_text()))
            except (OSError, ValueError):
                pass  # at work, and not so far yet
        predicted, failed = self.counts()
        return RunProgress(done=predicted + failed, failed=failed, total=self.total)

    def delete(self) -> None:
        """Remove the run and everything it found. Raises RunError while somebody is at work."""
        with self.locked():
            shutil.rmtree(self.path)

    def _write(self, kind: str, columns: dict[str, Any], schema: pa.Schema) -> None:
        table = pa.table(columns, schema)
        with keeping(f"{table.num_rows} videos", self.path):
            write_shard(self.path, kind, table)


def _flat(values: dict[str, Array]) -> Array:
    return np.concatenate([value.ravel() for value in values.values()] or [np.empty(0)])
