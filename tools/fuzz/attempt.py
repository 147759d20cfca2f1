"""One damaged file on the real way into the program, and what came of it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

from dsanet_core.errors import VideoError
from dsanet_core.records import Sampling
from dsanet_core.video import DEFAULT_LIMITS, browser_proxy, read_clips
from dsanet_core.video.refusals import REFUSALS
from tests.video.make import Children
from tools.fuzz.bases import SUFFIXES
from tools.fuzz.damage import damaged

LIMITS = replace(DEFAULT_LIMITS, wall_seconds=10.0)
SAMPLING = Sampling(4, 3, 5)
PROXY_EVERY = 8
"""Of so many files, one is made into a copy for the browser, too."""

LONGEST_MESSAGE = 700
PICTURES = "pictures"
FINDINGS = ("crash", "hang", "failed", "error")
"""Outcomes that must not be: a signal, the clock, an answer of no sense, another exception."""


@dataclass(frozen=True)
class Outcome:
    """kind: "pictures", a code of `messages.REFUSALS`, "unreadable" or one of FINDINGS. frames: of
    the timeline that was found. peak_bytes: of the dearest child, resident. text: the message."""

    container: str
    seed: int
    kind: str
    frames: int
    proxy: str
    seconds: float
    peak_bytes: int
    text: str


def attempt(container: str, seed: int, folder: Path) -> Outcome:
    """Read the damaged file of a container and a seed. folder: for files on the way."""
    path = folder / f"{container}-{seed}.{SUFFIXES[container]}"
    path.write_bytes(damaged(container, seed))
    frames, proxy, start = 0, "", time.monotonic()
    with Children() as children:
        kind, text, frames = _read(path)
        seconds = time.monotonic() - start
        if seed % PROXY_EVERY == 0:
            proxy, detail = _proxy(path)
            text = text if proxy not in FINDINGS else detail
    path.unlink()
    peak = max((end.peak_bytes for end in children.ends), default=0)
    return Outcome(container, seed, kind, frames, proxy, round(seconds, 3), peak, text)


def _read(path: Path) -> tuple[str, str, int]:
    try:
        clips = read_clips(path, SAMPLING, limits=LIMITS)
    except VideoError as error:
        return (*_kind(error), 0)
    except Exception as error:  # whatever it is, it is a finding
        return "error", repr(error), 0
    return PICTURES, "; ".join(clips.frames.video.notes), clips.frames.video.num_frames


def _proxy(path: Path) -> tuple[str, str]:
    out = path.with_name("proxy.mp4")
    try:
        browser_proxy(path, out, limits=LIMITS)
    except VideoError as error:
        return _kind(error)
    except Exception as error:
        return "error", repr(error)
    out.unlink()
    return PICTURES, ""


def _kind(error: VideoError) -> tuple[str, str]:
    """Kind of a message and its text."""
    text = str(error)
    if not text.isprintable() or len(text) > LONGEST_MESSAGE:
        return "error", f"not fit to be shown: {text!r}"
    if "the decoder crashed" in text:
        return "crash", text
    if "took longer to decode" in text:
        return "hang", text
    if "could not be decoded:" in text:
        return "failed", text
    for code, (value, _, _) in REFUSALS.items():
        if re.search(re.sub(r"\\\{\w+\\\}", ".*", re.escape(value)), error.value):
            return code, text
    return "unreadable", text
