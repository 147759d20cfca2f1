"""Whatever stops a run, its command given again ends in the table of a run that nothing stopped."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from dsanet_core.atomic import is_unfinished
from dsanet_core.datasets import Dataset, open_dataset
from dsanet_core.errors import RunError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.runs import engine, inference, run_dataset
from dsanet_core.runs.shards import rows_of
from dsanet_core.runs.store import RunFolder
from tests.weights import tiny_network

KILLS = 20


@pytest.fixture(scope="module")
def network() -> VideoNetwork:
    return tiny_network("tsn_synth")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Drawn videos and one that cannot be read."""
    drawn = open_dataset("synth:seed=31,n=120")
    read = drawn.clips

    def clips(index: int, *args: Any) -> Any:
        time.sleep(0.002)  # a moment for the killer
        if index == 77:
            raise inference.VideoError("a damaged file", "a video", "Mend it.")
        return read(index, *args)

    drawn.clips = clips  # type: ignore[method-assign]
    return drawn


@pytest.fixture(scope="module")
def whole(network: VideoNetwork, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(table, errors) of a run that nothing stopped."""
    return found(run(dataset, network, tmp_path_factory.mktemp("whole")))


def run(dataset: Dataset, network: VideoNetwork, root: Path) -> RunFolder:
    return RunFolder(root / run_dataset(dataset, network, folder=root, workers=0).id)


def found(folder: RunFolder) -> tuple[pa.Table, list[tuple[str, str]]]:
    """All of a run but its times."""
    table = folder.read()
    return table.drop_columns(["decode_seconds", "network_seconds"]), folder.errors()


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SHARD_VIDEOS", 5)


def test_killed_at_twenty_random_moments_nothing_is_lost_or_counted_twice(
    network: VideoNetwork, dataset: Dataset, whole: Any, tmp_path: Path
) -> None:
    rng, context = np.random.default_rng(0), multiprocessing.get_context("fork")

    def work() -> None:
        torch.set_num_threads(1)  # threads do not come along in a fork
        run(dataset, network, tmp_path)

    kills = finished = 0
    while not finished:
        child = context.Process(target=work)
        child.start()
        assert child.pid is not None
        # Most moments lie in the middle of the work; later ones let it come to an end.
        child.join(float(rng.uniform(0.02, 0.09)) if kills < KILLS else 60)
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
            child.join()
            kills += 1
        elif kills >= KILLS:
            finished = child.exitcode == 0
            assert finished
    assert kills >= KILLS
    table, errors = found(run(dataset, network, tmp_path))
    assert table.equals(whole[0]) and errors == whole[1]


def test_a_full_disk_says_so_and_once_there_is_room_the_run_goes_on(
    network: VideoNetwork, dataset: Dataset, whole: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = 4

    def write(path: Path, data: Any) -> int:
        nonlocal room
        if room == 0:
            real(path, memoryview(data)[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room -= 1
        return real(path, data)

    real = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(RunError, match="No space left on device"):
        run(dataset, network, tmp_path)
    (folder,) = map(RunFolder, tmp_path.iterdir())
    assert len(folder.done()) == 20 and not folder.is_finished and not folder.is_at_work
    assert not any(map(is_unfinished, folder.path.iterdir())), "nothing half written stays behind"
    room = 10**6
    table, errors = found(run(dataset, network, tmp_path))
    assert table.equals(whole[0]) and errors == whole[1]


def test_an_interrupt_keeps_what_is_done(
    network: VideoNetwork, dataset: Dataset, whole: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = 0
    real = inference.run_network

    def interrupted(*args: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == 14:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(inference, "run_network", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(dataset, network, tmp_path)
    (folder,) = map(RunFolder, tmp_path.iterdir())
    assert folder.done() == set(range(13))
    table, errors = found(run(dataset, network, tmp_path))
    assert seen == 14 + 119 - 13, "no video was run twice"
    assert table.equals(whole[0]) and errors == whole[1]


def test_a_row_that_stands_in_two_shards_counts_once(
    network: VideoNetwork, dataset: Dataset, whole: Any, tmp_path: Path
) -> None:
    folder = run(dataset, network, tmp_path)
    shard = sorted(folder.path.glob("videos.*.parquet"))[0]
    again = shard.with_name(f"videos.{rows_of(shard)}.0-again.parquet")
    again.write_bytes(shard.read_bytes())
    assert found(folder)[0].equals(whole[0])
