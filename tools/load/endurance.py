"""Many different analyses in a row in one server: what it holds must not grow."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tools.load.clips import MODELS, Clip, ExpectedFigures, make_clips
from tools.load.report import Check, Report, growth, log, mebibytes
from tools.load.server import Holdings, Server, running
from tools.load.visitor import PAGES, Notes, Visitor

CONTENTS = 6
WARM_UP = 30
"""Each asks two or three questions; the server keeps its last 32 answers, so it has them then."""
GROWTH = 0.05
SETTLE_SECONDS = 180
"""Streamlit keeps a session that was left for two minutes, in case its browser comes back."""
REST_SECONDS = 10


def measure(scratch: Path, analyses: int) -> Report:
    """A visitor warms the server up and leaves, another asks for all analyses and leaves; what the
    server holds after the second is compared with what it held after the first."""
    answers, notes = ExpectedFigures(), Notes()
    clips = make_clips(scratch, CONTENTS)
    report = Report()
    salts = itertools.count(1)
    with running(scratch) as server:
        empty = server.holdings()
        log("warm-up")
        _visit(server, answers, notes, clips, WARM_UP, salts)
        start, seconds = _at_rest(server, lambda now: now.files <= empty.files)
        report.facts["seconds until the first visitor's files were gone"] = f"{seconds:.0f}"
        log(f"{analyses} analyses")
        samples = _visit(server, answers, notes, clips, analyses, salts)
        log("left alone")
        end, seconds = _at_rest(server, lambda now: _is_back(start, now))
        report.facts["seconds until all was back, or given up"] = f"{seconds:.0f}"
        few = max(1, min(10, analyses // 3))
        before = statistics.median(each.memory for each in samples[:few])
        after = statistics.median(each.memory for each in samples[-few:])
        for name, held in (("empty", empty), ("start", start), ("first", samples[0]),
                           ("last", samples[-1]), ("end", end)):
            report.row(name, *(f"{key} {value}" for key, value in asdict(held).items()
                               if key != "at"))
        report.facts["memory after every 30 analyses"] = ", ".join(
            mebibytes(each.memory) for each in samples[::30]
        )
        report.checks += [
            Check("pages checked", notes.checked, notes.checked >= analyses),
            Check("mixed results", len(notes.mixed), not notes.mixed, notes.mixed[:5]),
            Check("errors, hangs, exceptions shown", len(notes.wrong), not notes.wrong,
                  notes.wrong[:5]),
            Check("messages instead of answers", len(notes.messages), not notes.messages,
                  notes.messages[:5]),
            Check("tracebacks in the log", server.tracebacks(), server.tracebacks() == 0),
            _memory("memory, the last analyses against the first", before, after),
            _memory("memory, left alone again", start.memory, end.memory),
            *(_back(name, getattr(start, name), getattr(end, name))
              for name in ("descriptors", "processes", "files")),
        ]
    return report


def _visit(
    server: Server, answers: ExpectedFigures, notes: Notes, clips: list[Clip], count: int,
    salts: itertools.count[int],
) -> list[Holdings]:
    """Memory, files and processes of the server after each of so many analyses of new files."""
    visitor = Visitor(0, server.address, answers, notes)
    samples = []
    for turn in range(count):
        salt = next(salts)
        if turn % len(PAGES) == 0:
            visitor.switch(PAGES[turn // len(PAGES) % len(PAGES)])
        visitor.choose("Model", MODELS[turn % len(MODELS)])
        clip = clips[salt % len(clips)]
        visitor.upload(clip.again(f"{salt}.mp4", salt))
        samples.append(server.holdings())
    visitor.leave()
    return samples


def _at_rest(server: Server, until: Callable[[Holdings], bool]) -> tuple[Holdings, float]:
    """Resources of the server once they satisfy a condition, or after `SETTLE_SECONDS`, and the
    seconds until then."""
    begin = time.monotonic()
    while not until(server.holdings()) and time.monotonic() - begin < SETTLE_SECONDS:
        time.sleep(1)
    seconds = time.monotonic() - begin
    time.sleep(REST_SECONDS)
    return server.holdings(), seconds


def _is_back(start: Holdings, now: Holdings) -> bool:
    return (
        now.files <= start.files
        and now.descriptors <= start.descriptors
        and now.processes <= start.processes
    )


def _memory(name: str, before: float, after: float) -> Check:
    rise = growth(before, after)
    text = f"{rise:+.1%} ({mebibytes(before)} to {mebibytes(after)})"
    return Check(name, text, rise < GROWTH)


def _back(name: str, before: int, after: int) -> Check:
    return Check(name, f"{before} to {after}", after <= before)
