"""The health check: a line for everything that can be wrong, and what a server says of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from app.server import health, run_jobs, runs, settings, upkeep
from app.server.cleanup import Places
from app.server.health import Check, StatusFile
from dsanet_core.runs.store import RunFolder
from tests.app.run_fixtures import runs_folder
from tests.app.run_programs import program, queue

__all__ = ["program", "queue", "runs_folder"]

ROOT = Path(__file__).parents[2]
SECRET = "our-wedding"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setattr(settings, "FREE_DISK_BYTES", 1)
    monkeypatch.setattr(health, "_observed", {})
    (tmp_path / "tmp").mkdir()
    return Places(tmp_path / "tmp", tmp_path / "cache", tmp_path / "runs", ())


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server that says it is well."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/_stcore/health" else 404)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def found(places: Places, address: str | None = None) -> dict[str, Check]:
    return {check.name: check for check in health.checks(places, address)}


def test_a_server_that_lives_and_answers_is_well(places: Places, address: str) -> None:
    health.observe("queues", lambda: {"waiting": 3})
    status = StatusFile(places.cache, address)
    status.write()
    checks = found(places)
    assert all(check.ok for check in checks.values()), checks
    assert checks["queues"].says == "waiting 3"
    assert checks["server"].facts["resident_mb"] > 10
    assert checks["answer"].says == f"{address} answers"
    (file,) = (places.cache / "servers").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_server_that_is_gone_has_left_no_word(places: Places) -> None:
    code = (
        "import os, pathlib, sys; from app.server.health import StatusFile;"
        "StatusFile(pathlib.Path(sys.argv[1]), 'http://localhost:1').write();"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(places.cache)], cwd=ROOT, check=False)
    assert len(list((places.cache / "servers").iterdir())) == 1
    check = found(places)["server"]
    assert not check.ok and "no server has left word" in check.says


def test_a_server_that_has_fallen_silent_or_does_not_answer_is_not_well(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = StatusFile(places.cache, "http://127.0.0.1:1")
    status.write()
    checks = found(places)
    assert checks["server"].ok
    assert not checks["answer"].ok and "does not answer" in checks["answer"].says
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 200)
    assert not found(places)["server"].ok
    assert "last heard of 200 s ago" in found(places)["server"].says


def test_what_an_observer_says_or_fails_to_say_counts(places: Places, address: str) -> None:
    def broken() -> health.Facts:
        raise KeyError(SECRET)

    health.observe("networks", lambda: {"ok": False, "alive": 0})
    health.observe("queues", broken)
    status = StatusFile(places.cache, address)
    status.write()
    checks = found(places)
    assert not checks["networks"].ok and checks["networks"].says == "alive 0"
    assert not checks["queues"].ok and checks["queues"].says == "error KeyError"


def test_the_word_is_left_again_after_the_cache_was_deleted(places: Places, address: str) -> None:
    status = StatusFile(places.cache, address)
    status.write()
    (file,) = (places.cache / "servers").iterdir()
    file.unlink()
    (places.cache / "servers").rmdir()
    assert not found(places)["server"].ok
    status.write()
    assert found(places)["server"].ok


def test_full_and_closed_disks_are_named(
    places: Places, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "FREE_DISK_BYTES", 1 << 60)
    checks = found(places, address)
    assert not any(checks[f"disk of {name}"].ok for name in ("temporary", "cache", "runs"))
    monkeypatch.setattr(settings, "FREE_DISK_BYTES", 1)
    places.runs.write_text("no folder")
    checks = found(places, address)
    assert checks["disk of temporary"].ok
    assert not checks["disk of runs"].ok
    assert "cannot be written to (Not a directory)" in checks["disk of runs"].says


def test_runs_are_counted_and_damaged_ones_are_not_well(places: Places, address: str) -> None:
    for name in ("one", SECRET):
        RunFolder.make(places.runs / name, {"videos": 3})
    (places.runs / SECRET / "summary.parquet").touch()
    (places.runs / "one" / "errors.1.damaged").touch()
    says = "0 at work, 1 finished, 1 stopped, 0 damaged, 1 set aside"
    assert found(places, address)["runs"] == Check(
        "runs", True, says,
        {"at_work": 0, "finished": 1, "stopped": 1, "damaged": 0, "set_aside": 1},
    )
    (places.runs / "one" / "run.json").write_text("{")
    with RunFolder(places.runs / SECRET).locked():
        checks = found(places, address)
    assert not checks["runs"].ok
    assert "1 at work, 1 finished, 0 stopped, 1 damaged" in checks["runs"].says
    assert SECRET not in json.dumps([check.says for check in checks.values()])


def test_too_much_that_is_nobodys_is_not_well(
    places: Places, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = places.cache / "samples" / "v1" / ".a.part-0a1b2c3d.mp4"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(5000))
    os.utime(part, (1, 1))
    assert found(places, address)["left behind"].ok
    monkeypatch.setattr(health, "LEFT_BYTES", 4000)
    check = found(places, address)["left behind"]
    assert not check.ok and "python -m app.server.cleanup --clear" in check.says


def test_the_command_ends_with_what_it_found(
    places: Places, address: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Places, "usual", lambda: places)
    monkeypatch.setattr(sys, "argv", ["health", "--address", address])
    with pytest.raises(SystemExit) as ended:
        health.main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("ok    answer             http://127.0.0.1:")
    monkeypatch.setattr(sys, "argv", ["health", "--json"])
    with pytest.raises(SystemExit) as ended:
        health.main()
    assert ended.value.code == 1
    written = json.loads(capsys.readouterr().out)
    assert not written["ok"] and not written["checks"][0]["ok"]


@pytest.mark.usefixtures("program")
def test_the_upkeep_of_a_server_takes_over_tidies_and_leaves_word(
    places: Places, queue: run_jobs.Queue, runs_folder: Path, monkeypatch: pytest.MonkeyPatch,
    address: str,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(places.temporary))
    work = upkeep.Upkeep(address)
    assert work.places.runs == runs.FOLDER == runs_folder
    left = places.temporary / "dsanet-lens-left"
    left.mkdir()
    os.utime(left, (1, 1))
    work.clean_up()
    assert not left.exists()
    work.ask_protections()
    work.adopt()
    work.status = StatusFile(places.cache, address)
    work.status.write()
    checks = found(places)
    assert checks["tidy"].ok and checks["sandbox"].ok
    assert "descriptors are limited" in checks["sandbox"].says
    monkeypatch.setattr(upkeep, "CLEANUP_SECONDS", -1)
    work.status.write()
    assert not found(places)["tidy"].ok, "it has not tidied for too long"


def test_upkeep_that_fails_is_logged_and_goes_on(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise OSError(28, SECRET)

    upkeep.Upkeep("http://localhost:1")._attempt(broken)
    assert "upkeep: broken failed" in caplog.text


def test_a_page_without_a_server_has_no_upkeep() -> None:
    before = threading.active_count()
    upkeep.begin()
    assert threading.active_count() == before
