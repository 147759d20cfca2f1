"""The log of the server: one JSON object per line, on stderr.

    {"time": "2026-03-01T09:30:00.125Z", "level": "info", "event": "upload", "facts": {"bytes": 4}}

A log outlives its subjects and is read by others. It therefore holds numbers and short words:
no name of a file, no path of a user, no content, no category of a video, and of a session only a
hash that another start of the server does not repeat. Messages of other packages are written
without what was filled in, and of an unforeseen error only its kind and where it arose.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from app import ROOT

OWN = ("app", "dsanet_core")
"""Loggers that are heard from `INFO` on; others from `WARNING` on."""
_FOREIGN = ("streamlit", "uvicorn", "websockets")
"""These write past the root logger by default."""
_WORD = re.compile(r"[\w.:+-]{0,64}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
WITHHELD = "(withheld)"
_SALT = secrets.token_bytes(16)

_logger = logging.getLogger(__name__)


def event(name: str, /, *, level: int = logging.INFO, **facts: object) -> None:
    """Write that something happened. facts: numbers, None or words of up to 64 letters, digits and
    `_.:+-`; other text is withheld, a sha256 is cut to 12 digits. `session` becomes a hash."""
    _logger.log(level, name, extra={"facts": facts})


def session_word(session: str) -> str:
    """The hash that stands for a session in the log, until the server starts again."""
    return hashlib.blake2s(session.encode(), key=_SALT, digest_size=4).hexdigest()


def configure() -> None:
    """From now on everything that this process logs comes out in this form, Streamlit's own lines
    among it. Called again, it also takes over the loggers that have been made since."""
    _install()
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name) if name.partition(".")[0] in _FOREIGN else None
        if logger is not None and not logger.propagate:
            logger.handlers.clear()
            logger.propagate = True


@cache
def _install() -> None:
    """Once per process."""
    handler = _Stderr()
    handler.setFormatter(JsonLines())
    handler.addFilter(_is_heard)
    logging.getLogger().addHandler(handler)
    for name in OWN:
        logging.getLogger(name).setLevel(logging.INFO)


class _Stderr(logging.Handler):
    """Writes to what stderr is at the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": str(record.msg),  # not getMessage(): arguments name files
        }
        facts = getattr(record, "facts", None)
        if facts is None:
            line["logger"] = record.name
        else:
            line["facts"] = {name: _fact(name, value) for name, value in facts.items()}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["traceback"] = list(_story(record.exc_info[1]))
        return json.dumps(line)


def _is_heard(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] in OWN


def _fact(name: str, value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = str(value)
    if name == "session":
        return session_word(text)
    if _SHA256.fullmatch(text):
        return text[:12]
    return text if _WORD.fullmatch(text) else WITHHELD


def _story(error: BaseException) -> Iterator[str]:
    """Places and kind of an error, those that led to it first; not its message, which may name a
    file."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _story(before)
    yield from _places(error.__traceback__)
    number = f" errno {error.errno}" if isinstance(error, OSError) else ""
    yield f"{type(error).__name__}{number}"


def _places(at: TracebackType | None) -> Iterator[str]:
    while at is not None:
        code = at.tb_frame.f_code
        yield f"{_source(code.co_filename)}:{at.tb_lineno} {code.co_name}"
        at = at.tb_next


def _source(file: str) -> str:
    """A file of code, without what lies above the project or the packages."""
    if "site-packages/" in file:
        return file.rpartition("site-packages/")[2]
    path = Path(file)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
