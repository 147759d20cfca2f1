"""Files of a run: shards of its tables, damaged files set aside, and errors of the disk.

    <kind>.<rows>.<when>.crc32-<checksum of the file>.parquet

A shard is a Parquet file that is there whole or not at all. One that is not as it was written (a
disk that flips bits, a file cut off or extended) is found by the checksum in its name: Parquet
alone would return most of such numbers without an error. Shards of earlier versions lack the
checksum and are checked as far as Parquet does.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dsanet_core import atomic
from dsanet_core.errors import RunError

_CHECKSUM = re.compile(r"\.crc32-([0-9a-f]{8})\.parquet")


def shards_of(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.glob(f"{kind}.*.parquet"))


def rows_of(shard: Path) -> int:
    """Number of rows, by the name of the shard. Raises ValueError for a name that no run gives."""
    return int(shard.name.split(".")[1])


def write_shard(folder: Path, kind: str, table: pa.Table) -> None:
    """Raises OSError, with nothing written, where the disk takes no more."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue()
    when = f"{time.time_ns()}.crc32-{zlib.crc32(data):08x}"
    atomic.write_bytes(folder / f"{kind}.{table.num_rows}.{when}.parquet", data)


def read_shard(shard: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Some columns of a shard, or all. Raises RunError unless it is what was written."""
    try:
        data = shard.read_bytes()
        written = _CHECKSUM.search(shard.name)
        if written is not None and zlib.crc32(data) != int(written[1], 16):
            raise ValueError("its bytes are not those that were written")
        table = pq.read_table(pa.BufferReader(data), columns=columns)
        if table.num_rows != rows_of(shard):
            raise ValueError(f"{table.num_rows} rows")
        return table
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise RunError(
            f"{shard.name} of {shard.parent.name} is damaged ({type(error).__name__}: {error})",
            "a shard as a run wrote it",
            "Resume the run, or give its command again: the shard is set aside, and its videos "
            "alone are done again.",
        ) from error


def read_shards(
    shards: Sequence[Path], columns: Sequence[str] | None, schema: pa.Schema
) -> pa.Table:
    """One table by row, each row once, of the schema's columns or some, "row" among them."""
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    tables = [read_shard(shard, columns) for shard in shards]
    table = pa.concat_tables([wanted.empty_table(), *(t.cast(wanted) for t in tables)])
    _, first = np.unique(table["row"].to_numpy(), return_index=True)
    return table.take(first)


DAMAGED = ".damaged"
"""At the end of the name of a file that was set aside: kept for whoever wants to look, read by
nobody."""


def set_aside(path: Path) -> Path:
    """Give a damaged file another name, so that a good one can take its place; the new path."""
    return path.rename(path.with_name(path.name + DAMAGED))


@contextmanager
def keeping(what: str, folder: Path) -> Iterator[None]:
    """Within it, what the disk refuses becomes a RunError that says what could not be kept."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{what} could not be kept in {folder} ({error.strerror or error})",
            "a disk with room, and a folder that this process may write to",
            "Make room, or mend the permissions, and go on: what was kept before is not lost.",
        ) from error
