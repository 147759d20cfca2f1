"""The log: one JSON object per line, and nothing in it that belongs to a user."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.server import logs

ROOT = Path(__file__).parents[2]
SECRET = "our wedding.mp4"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines of the log since, as objects."""
    caplog.set_level(logging.INFO)
    formatter = logs.JsonLines()
    return lambda: [json.loads(formatter.format(record)) for record in caplog.records]


def test_an_event_is_its_time_level_name_and_facts(lines: Any) -> None:
    logs.event("upload", bytes=5, seconds=0.25, kind="mp4", none=None)
    logs.event("disk_full", level=logging.WARNING)
    first, second = lines()
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "info", "event": "upload",
        "facts": {"bytes": 5, "seconds": 0.25, "kind": "mp4", "none": None},
    }
    assert (second["level"], second["facts"]) == ("warning", {})


@pytest.mark.parametrize(
    "value", [SECRET, "/home/ann/a.mp4", Path("videos/a"), "a\nb", "x" * 65, ["a"], b"bytes", "é"]
)
def test_what_is_no_short_word_is_withheld(lines: Any, value: object) -> None:
    logs.event("odd", value=value)
    assert lines()[0]["facts"] == {"value": logs.WITHHELD}


def test_hashes_are_shortened_and_sessions_hashed(lines: Any) -> None:
    logs.event("seen", sha256="ab" * 32, session="0123456789abcdef")
    facts = lines()[0]["facts"]
    assert facts["sha256"] == "ab" * 6
    assert facts["session"] == logs.session_word("0123456789abcdef") != "0123456789abcdef"
    assert facts["session"] != logs.session_word("another")


def test_an_error_is_told_by_kind_and_place_without_its_words(lines: Any) -> None:
    def fail() -> None:
        try:
            (Path("/nowhere") / SECRET).read_bytes()
        except OSError as error:
            raise ValueError(SECRET) from error

    try:
        fail()
    except ValueError:
        logging.getLogger("app.x").exception("the file %s is bad", SECRET)
    (line,) = lines()
    assert SECRET not in json.dumps(line)
    assert (line["event"], line["error"]) == ("the file %s is bad", "ValueError")
    assert any(part.startswith("tests/app/test_logs.py:") for part in line["traceback"])
    assert line["traceback"][-1] == "ValueError"
    assert "FileNotFoundError errno 2" in line["traceback"]


def test_a_configured_process_writes_json_alone_and_each_line_once() -> None:
    program = f"""
import logging, streamlit
from app.server import logs
logs.configure()
logs.event("started", number=1)
made_later = streamlit.logger.get_logger("streamlit.made.later")
logs.configure()
made_later.warning("of Streamlit")
logging.getLogger("streamlit.runtime.x").warning("nobody hears names: %s", {SECRET!r})
logging.getLogger("elsewhere").info("too quiet")
logging.getLogger("app.server.fair_queue").info("own")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    said = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert said == ["started", "of Streamlit", "nobody hears names: %s", "own"]
