"""Files of a run that come to harm are found, set aside and made again; nothing else is."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dsanet_core.datasets import Dataset, open_dataset
from dsanet_core.errors import LensError, RecordError, RunError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import Run
from dsanet_core.runs import engine, inference, run_dataset
from dsanet_core.runs.shards import read_shard, rows_of, shards_of
from dsanet_core.runs.store import MANIFEST, PROGRESS, RunFolder
from dsanet_core.runs.summary import FILE as SUMMARY
from dsanet_core.runs.summary import load_run
from tests.weights import tiny_network

VIDEOS, PER_SHARD, UNREADABLE = 14, 4, 5
TIMES = ["decode_seconds", "network_seconds"]

Harm = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def network() -> VideoNetwork:
    return tiny_network("tsn_synth")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    drawn = open_dataset(f"synth:seed=31,n={VIDEOS}")
    read = drawn.clips

    def clips(index: int, *args: Any) -> Any:
        if index == UNREADABLE:
            raise inference.VideoError("a damaged file", "a video", "Mend it.")
        return read(index, *args)

    drawn.clips = clips  # type: ignore[method-assign]
    return drawn


@pytest.fixture(scope="module")
def made(network: VideoNetwork, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; do not write into it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "SHARD_VIDEOS", PER_SHARD)
        root = tmp_path_factory.mktemp("made")
        return root / run_dataset(dataset, network, folder=root, workers=0).id


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it, all shards there and no summary."""
    shutil.copytree(made, tmp_path / made.name)
    (tmp_path / made.name / SUMMARY).unlink()
    return tmp_path / made.name


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one entry whenever a video goes through the network."""
    seen: list[int] = []
    real = inference.run_network

    def counted(*args: Any) -> Any:
        seen.append(1)
        return real(*args)

    monkeypatch.setattr(inference, "run_network", counted)
    return seen


def flip(where: float) -> Harm:
    def harm(data: bytes) -> bytes:
        place = int(where * (len(data) - 1))
        return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]

    return harm


HARMS: dict[str, Harm] = {
    "first byte flipped": flip(0), "scores flipped": flip(0.2), "middle flipped": flip(0.5),
    "footer flipped": flip(0.9), "last byte flipped": flip(1),
    "cut off": lambda data: data[:-100], "nothing left": lambda data: b"",
    "zero bytes at the end": lambda data: data + bytes(4096),
    "a hole": lambda data: data[:200] + bytes(300) + data[500:],
    "something else": lambda data: b"no Parquet at all" * 40,
}


def resume(dataset: Dataset, network: VideoNetwork, folder: Path) -> pa.Table:
    run_dataset(dataset, network, folder=folder.parent, workers=0)
    return RunFolder(folder).read().drop_columns(TIMES)


@pytest.mark.parametrize("harm", HARMS)
def test_only_the_videos_of_a_damaged_shard_are_done_again(
    network: VideoNetwork, dataset: Dataset, made: Path, folder: Path, forwards: list[int],
    caplog: pytest.LogCaptureFixture, harm: str,
) -> None:
    shard = shards_of(folder, "videos")[1]
    others = {path.name: path.read_bytes() for path in folder.glob("*.parquet") if path != shard}
    broken = HARMS[harm](shard.read_bytes())
    shard.write_bytes(broken)
    with pytest.raises(RunError, match="set aside, and its videos alone are done again"):
        RunFolder(folder).read(["scores"])
    again = resume(dataset, network, folder)
    assert again.equals(RunFolder(made).read().drop_columns(TIMES))
    assert len(forwards) == rows_of(shard)
    (aside,) = RunFolder(folder).damaged()
    assert (folder / aside).read_bytes() == broken, "set aside as it was"
    assert {name: (folder / name).read_bytes() for name in others} == others
    assert f"{shard.name} of {folder.name} is damaged" in caplog.text
    assert f"set aside as {aside}, and its videos are done again" in caplog.text


def test_a_damaged_shard_of_the_errors_table_is_done_again(
    network: VideoNetwork, dataset: Dataset, made: Path, folder: Path, forwards: list[int]
) -> None:
    (shard,) = shards_of(folder, "errors")
    shard.write_bytes(flip(0.4)(shard.read_bytes()))
    resume(dataset, network, folder)
    assert not forwards
    assert RunFolder(folder).errors() == RunFolder(made).errors()


def test_no_flipped_bit_of_a_shard_passes(made: Path, tmp_path: Path) -> None:
    whole = shards_of(made, "videos")[0]
    data, chance = whole.read_bytes(), np.random.default_rng(0)
    shard = tmp_path / whole.name
    for place in range(0, len(data), 7):
        bit = 1 << int(chance.integers(8))
        shard.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
        with pytest.raises(RunError, match="is damaged"):
            read_shard(shard)


def test_shards_without_a_checksum_are_read_and_harm_that_parquet_sees_is_found(
    made: Path, tmp_path: Path
) -> None:
    whole = shards_of(made, "videos")[0]
    old = tmp_path / f"videos.{rows_of(whole)}.1700000000000000000-0123abcd.parquet"
    old.write_bytes(whole.read_bytes())
    assert read_shard(old).equals(read_shard(whole))
    for harm in ("last byte flipped", "cut off", "nothing left", "zero bytes at the end"):
        old.write_bytes(HARMS[harm](whole.read_bytes()))
        with pytest.raises(RunError, match="is damaged"):
            read_shard(old)


def test_a_damaged_manifest_is_written_again_and_nothing_is_done_twice(
    network: VideoNetwork, dataset: Dataset, made: Path, folder: Path, forwards: list[int]
) -> None:
    for text in ('{"videos": 14', "[]", "", "\0" * 900):
        (folder / MANIFEST).write_text(text)
        with pytest.raises(RunError, match="is no run"):
            RunFolder(folder)
        again = resume(dataset, network, folder)
        assert again.equals(RunFolder(made).read().drop_columns(TIMES))
        assert (folder / f"{MANIFEST}.damaged").read_text() == text
        (folder / SUMMARY).unlink()
    assert not forwards


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", '{"done": "many", "failed": 0, "total": 9}',
             '{"done": NaN, "failed": 0, "total": 9}', '{"done": 3}', '{"other": 1}', "\0\0"],
)
def test_a_damaged_progress_is_what_the_shards_say(folder: Path, text: str) -> None:
    run = RunFolder(folder)
    with run.locked():
        (folder / PROGRESS).write_text(text)
        progress = run.progress()
    assert (progress.done, progress.failed, progress.total) == (VIDEOS, 1, VIDEOS)


def test_a_damaged_summary_gives_a_message_or_the_numbers_that_were_written(made: Path,
                                                                           tmp_path: Path) -> None:
    whole = load_run(made / SUMMARY)
    data, chance = (made / SUMMARY).read_bytes(), np.random.default_rng(0)
    copy, refused = tmp_path / SUMMARY, 0
    columns = ("row", "label", "predicted", "confidence", "label_score", "label_rank")
    places = np.r_[chance.integers(4, len(data), 300), 0, 3, len(data) - 1]
    for place in places:
        bit = 1 << int(chance.integers(8))
        copy.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
        try:
            found: Run = load_run(copy)
        except RecordError as error:
            assert "Delete the file and give the run's command again" in str(error)
            refused += 1
        else:
            for name in columns:
                np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    assert refused > 0
    for harm in ("cut off", "nothing left", "zero bytes at the end"):
        copy.write_bytes(HARMS[harm](data))
        with pytest.raises(RecordError):
            load_run(copy)


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """The disk refuses to sync files of this name."""
    real = Path.replace

    def replace(path: Path, target: Any) -> Path:
        if Path(target).name.startswith(name):
            raise OSError(number, os.strerror(number))
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)


@pytest.mark.parametrize(
    ("name", "number", "said"),
    [
        ("summary", errno.ENOSPC, r"The summary could not be kept in .*No space left on device"),
        ("videos", errno.EROFS, r"4 videos could not be kept in .*Read-only file system"),
        ("run.json", errno.EDQUOT, r"run.json could not be kept in .*quota exceeded"),
    ],
)
def test_what_the_disk_refuses_is_named_and_once_it_takes_it_the_run_goes_on(
    network: VideoNetwork, dataset: Dataset, made: Path, tmp_path: Path, forwards: list[int],
    monkeypatch: pytest.MonkeyPatch, name: str, number: int, said: str,
) -> None:
    monkeypatch.setattr(engine, "SHARD_VIDEOS", PER_SHARD)
    with monkeypatch.context() as patch:
        refuse(patch, name, number)
        with pytest.raises(RunError, match=said) as raised:
            run_dataset(dataset, network, folder=tmp_path, workers=0)
    assert "what was kept before is not lost" in raised.value.next_step
    table = resume(dataset, network, tmp_path / made.name)
    assert table.equals(RunFolder(made).read().drop_columns(TIMES))
    assert not list((tmp_path / made.name).glob(".*.part-*"))
    if name == "summary":
        assert len(forwards) == VIDEOS - 1, "no video was done twice"


def test_a_folder_that_is_deleted_under_a_run_ends_it_with_a_message(
    network: VideoNetwork, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = inference.run_network, []

    def counted(*args: Any) -> Any:
        seen.append(1)
        if len(seen) == 6:
            shutil.rmtree(tmp_path / "runs")
        return real(*args)

    monkeypatch.setattr(engine, "SHARD_VIDEOS", PER_SHARD)
    monkeypatch.setattr(inference, "run_network", counted)
    with pytest.raises(RunError, match="3 videos could not be kept"):
        run_dataset(dataset, network, folder=tmp_path / "runs", workers=0)
    assert run_dataset(dataset, network, folder=tmp_path / "runs", workers=0).row.size == VIDEOS - 1


def test_a_clock_that_goes_backwards_loses_nothing(
    network: VideoNetwork, dataset: Dataset, made: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = iter(range(2_000_000_000_000_000_000, 0, -7))
    monkeypatch.setattr(engine, "SHARD_VIDEOS", PER_SHARD)
    monkeypatch.setattr("dsanet_core.runs.shards.time.time_ns", lambda: next(ticks))
    table = resume(dataset, network, tmp_path / made.name)
    assert table.equals(RunFolder(made).read().drop_columns(TIMES))


def test_runs_in_a_place_that_is_no_folder_are_refused_with_a_message(
    network: VideoNetwork, dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(LensError, match=r"run\.json could not be kept"):
        run_dataset(dataset, network, folder=tmp_path / "runs", workers=0)


def test_the_manifest_of_another_version_stays_as_it_is(folder: Path) -> None:
    text = json.dumps(json.loads((folder / MANIFEST).read_text()) | {"new": "field"})
    (folder / MANIFEST).write_text(text)
    RunFolder.make(folder, {"videos": 1})
    assert (folder / MANIFEST).read_text() == text
    assert not RunFolder(folder).damaged()


class Deadly:
    """A dataset whose reading kills the process that does it, at one row."""

    def __init__(self, dataset: Dataset, row: int) -> None:
        self.dataset, self.row = dataset, row

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["dataset"], name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __reduce__(self) -> tuple[Any, ...]:
        return Deadly, (self.dataset, self.row)

    def clips(self, index: int, *args: Any) -> Any:
        if index == self.row:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.dataset.clips(index, *args)


def test_a_killed_process_that_decodes_is_named_and_what_was_answered_is_kept(
    network: VideoNetwork, tmp_path: Path, forwards: list[int]
) -> None:
    drawn = open_dataset("synth:seed=31,n=40")
    with pytest.raises(RunError, match="process that decodes videos has died") as raised:
        run_dataset(Deadly(drawn, 30), network, folder=tmp_path, workers=1)  # type: ignore[arg-type]
    assert "what is done is kept" in raised.value.next_step
    (folder,) = map(RunFolder, tmp_path.iterdir())
    done = folder.done()
    assert len(done) == len(forwards) > 0
    assert done == set(range(len(done)))
    run = run_dataset(drawn, network, folder=tmp_path, workers=0)
    assert len(forwards) == len(run.row) == 40, "nothing was done twice"
