"""Files of nobody go, files in use stay, and every cache is bounded."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.server import cleanup, settings
from app.server.cleanup import HOUR, Places
from app.server.run_queue import LOG
from app.server.uploads import Uploads
from dsanet_core import synthetic
from dsanet_core.runs.store import RunFolder

ROOT = Path(__file__).parents[2]
VERSION = f"v{synthetic.VERSION}"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    made = Places(
        tmp_path / "tmp", tmp_path / "cache", tmp_path / "runs", (tmp_path / "weights",)
    )
    for folder in (made.temporary, made.cache, made.runs):
        folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(made.temporary))
    monkeypatch.setattr(settings, "FREE_DISK_BYTES", 0)
    return made


def put(path: Path, *, hours: float, size: int = 10) -> Path:
    """A file that was last changed and asked for so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return back(path, hours)


def back(path: Path, hours: float) -> Path:
    moment = time.time() - hours * HOUR
    os.utime(path, (moment, moment))
    return path


def cleared(places: Places) -> set[str]:
    """Names of what goes."""
    gone = cleanup.clear(cleanup.survey(places))
    assert not any(item.path.exists() for item in gone if item.path.name != LOG)
    return {item.path.name for item in gone}


def test_folders_of_sessions_go_with_their_server_and_not_before(places: Places) -> None:
    program = (
        "import os, tempfile; from app.server.uploads import Uploads; made = Uploads();"
        "(made.folder / 'a.upload').write_bytes(bytes(9));"
        "print(made.folder, flush=True); input()"
    )
    command = [sys.executable, "-c", program]
    environment = os.environ | {"TMPDIR": str(places.temporary)}
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment,
    ) as server:
        assert server.stdout is not None
        folder = back(Path(server.stdout.readline().strip()), 50)
        mine = Uploads()
        back(mine.folder, 50)
        assert cleared(places) == set(), "both are in use"
        server.kill()
    assert (folder / "a.upload").exists(), "a killed server cleans up nothing"
    assert cleared(places) == {folder.name}
    assert mine.folder.exists()
    mine.close()


def test_a_folder_that_is_being_made_or_is_not_ours_stays(places: Places, tmp_path: Path) -> None:
    (places.temporary / "dsanet-lens-new").mkdir()
    outside = put(tmp_path / "precious" / "file", hours=90).parent
    (places.temporary / "dsanet-lens-link").symlink_to(outside)
    put(places.temporary / "dsanet-lens-file", hours=90)
    put(places.temporary / "somebody-elses" / "file", hours=90)
    assert cleared(places) == set()
    back(places.temporary / "dsanet-lens-new", 2)
    assert cleared(places) == {"dsanet-lens-new"}
    assert (outside / "file").exists()


def test_films_go_by_when_they_were_asked_for_last(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CACHE_BYTES", 250)
    for name, hours in (("a", 5), ("b", 3), ("c", 9), ("d", 2)):
        folder = "samples" if name < "c" else "run_videos"
        put(places.cache / folder / VERSION / f"{name}.mp4", hours=hours, size=100)
    assert cleared(places) == {"a.mp4", "c.mp4"}
    assert cleared(places) == set()
    monkeypatch.setattr(settings, "CACHE_BYTES", 0)
    put(places.cache / "samples" / VERSION / "watched.mp4", hours=0.5, size=900)
    assert cleared(places) == {"b.mp4", "d.mp4"}, "what is watched now stays"


def test_a_disk_without_room_gets_it_from_the_films(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(places.cache / "samples" / VERSION / "a.mp4", hours=2)
    put(places.cache / "samples" / VERSION / "b.mp4", hours=0)
    monkeypatch.setattr(settings, "FREE_DISK_BYTES", 1 << 60)
    assert cleared(places) == {"a.mp4"}


def test_films_of_an_earlier_benchmark_and_half_made_ones_go_after_an_hour(
    places: Places
) -> None:
    for hours in (0.5, 2):
        put(places.cache / "samples" / "v0" / f"old-{hours}.mp4", hours=hours)
        put(places.cache / "samples" / VERSION / f".{hours:.0f}.part-0a1b2c3d.mp4", hours=hours)
    assert cleared(places) == {"old-2.mp4", ".2.part-0a1b2c3d.mp4"}


def test_a_clock_that_went_back_keeps_nothing_for_ever(places: Places) -> None:
    put(places.cache / "samples" / VERSION / ".x.part-0a1b2c3d.mp4", hours=-40)
    assert cleared(places) == {".x.part-0a1b2c3d.mp4"}


def test_leftovers_of_a_killed_run_go_and_those_of_one_at_work_stay(places: Places) -> None:
    run = RunFolder.make(places.runs / "one", {"videos": 3})
    names = (".videos.4.1.crc32-0.part-0a1b2c3d.parquet", ".progress.part-00004711.json")
    for name in names:
        put(run.path / name, hours=2)
    kept = ("videos.4.1.parquet", "run.json.damaged", "progress.json")
    for name in kept:
        put(run.path / name, hours=2)
    put(run.path / ".errors.1.2.part-99999999.parquet", hours=0.1)
    with run.locked():
        assert cleared(places) == set()
    (run.path / "progress.json").touch()
    assert cleared(places) == set(names)
    left = {path.name for path in run.path.iterdir()}
    assert {*kept, "run.json", ".errors.1.2.part-99999999.parquet"} <= left


def test_a_long_log_keeps_its_end_and_its_writer_goes_on(places: Places) -> None:
    log = places.runs / "one" / LOG
    log.parent.mkdir()
    with log.open("ab", buffering=0) as writer:
        for number in range(200_000):
            writer.write(b"%d videos\n" % number)
        assert log.stat().st_size > cleanup.LOG_BYTES
        assert cleared(places) == {LOG}
        writer.write(b"the end\n")
    lines = log.read_text().splitlines()
    assert lines[-2:] == ["199999 videos", "the end"]
    assert log.stat().st_size <= cleanup.LOG_KEPT + 8
    assert all(line.endswith(" videos") for line in lines[:-1]), "no line is cut"
    assert cleared(places) == set()


def test_half_imported_weights_go_after_an_hour(places: Places) -> None:
    for hours in (0.5, 2):
        put(places.weights[0] / f".mine.json.part-{hours * 2:08.0f}", hours=hours)
        put(places.weights[0] / f".mine.part-{hours * 2:08.0f}.safetensors", hours=hours)
        put(places.weights[0] / f"mine-{hours}.safetensors", hours=hours)
    assert cleared(places) == {".mine.json.part-00000004", ".mine.part-00000004.safetensors"}
    assert len(list(places.weights[0].iterdir())) == 4


def test_states_of_servers_that_are_gone_go(places: Places) -> None:
    gone, alive = (put(places.cache / "servers" / f"{n}.json", hours=0) for n in (1, 2))
    with alive.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert cleared(places) == {gone.name}


def test_what_is_not_of_the_app_is_listed_and_stays(places: Places) -> None:
    put(places.cache / "synth-v1.npy", hours=9000, size=70)
    (item,) = cleanup.survey(places)
    assert (item.owner, item.size, item.may_go) == ("tools", 70, False)
    assert cleared(places) == set()


def test_places_that_are_not_there_hold_nothing(tmp_path: Path) -> None:
    assert cleanup.survey(Places(tmp_path / "a", tmp_path / "b", tmp_path / "c", ())) == []


def test_the_command_lists_and_clears(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Places, "usual", lambda: places)
    part = put(places.cache / "samples" / VERSION / ".x.part-0a1b2c3d.mp4", hours=2, size=1_500_000)
    monkeypatch.setattr(sys, "argv", ["cleanup"])
    cleanup.main()
    assert "film           1.50       2.0  may go    " + str(part) in capsys.readouterr().out
    assert part.exists()
    monkeypatch.setattr(sys, "argv", ["cleanup", "--clear"])
    cleanup.main()
    assert "removed" in capsys.readouterr().out
    assert not part.exists()
