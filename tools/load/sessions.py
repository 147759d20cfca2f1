"""Many visitors at once: each walks through the app at random and must see its own results only."""

from __future__ import annotations

import itertools
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tools.load import fairness
from tools.load.clips import MODELS, SIZES, Clip, ExpectedFigures, make_clips
from tools.load.report import Check, Report, growth, log, mebibytes
from tools.load.server import Holdings, Server, Watch, running
from tools.load.visitor import PAGES, QUICK, SLOW, Ask, Notes, Visitor

WARM_UP_SECONDS = 120
THINKING_SECONDS = 2.0
GROWTH = 0.10
CHILDREN = ("app.server.network_worker", "dsanet_core.video.fork_server")
"""Marks of the command lines of the server's own children: decoders and networks."""


def measure(scratch: Path, sessions: int, minutes: float, kill_every: float) -> Report:
    """Set up, measure the waits of one visitor alone, then let all walk."""
    answers = ExpectedFigures()
    clips = make_clips(scratch, max(sessions, len(SIZES)))
    if not answers.are_distinct(clips):
        raise RuntimeError("two clips look the same to a network: mixing would not be noticed")
    log("computing the expected figures")
    for clip in clips:  # found now, so that finding them takes no time from the server
        for model in MODELS:
            answers.figures(clip, "explain", (model,))
    notes = Notes()
    with running(scratch) as server:
        alone_asks = [] if kill_every else _alone(server, answers, clips)
        log(f"{sessions} visitors for {minutes:g} minutes")
        watch, begin = Watch(server), time.monotonic()
        end = begin + 60 * minutes
        watch.start()
        threads = [
            threading.Thread(
                target=_walk,
                args=(number, server, answers, clips[number], notes, end),
            )
            for number in range(sessions)
        ]
        if kill_every:
            threads.append(threading.Thread(target=_kill, args=(server, kill_every, end, notes)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        samples = watch.stop()
        return _report(server, alone_asks, notes, samples, begin, end, is_killed=kill_every > 0)


def _alone(server: Server, answers: ExpectedFigures, clips: list[Clip]) -> list[Ask]:
    """A single visitor asks every model on every page, in turn about each size of video but the
    smallest."""
    notes = Notes()
    visitor = Visitor(-1, server.address, answers, notes)
    salts = itertools.count(1 << 32)
    log("one visitor alone")
    visitor.upload(clips[0].again("first.mp4", next(salts)))
    for model in MODELS:
        visitor.choose("Model", model)  # loads the networks
    for kind in (*PAGES, "slow"):
        visitor.switch("explain" if kind == "slow" else kind)
        if visitor.where == "explain":
            visitor.choose("Method", SLOW if kind == "slow" else QUICK)
        for number, model in enumerate(MODELS):
            visitor.choose("Model", model)
            salt = next(salts)
            clip = clips[1 + number % (len(SIZES) - 1)]
            visitor.upload(clip.again(f"alone-{salt}.mp4", salt))
    visitor.leave()
    if notes.mixed or notes.wrong or notes.messages:
        raise RuntimeError(f"alone already: {(notes.mixed + notes.wrong + notes.messages)[:3]}")
    return [ask for ask in notes.asks if ask.is_fresh][1:]  # the first started the network process


def _walk(
    number: int,
    server: Server,
    answers: ExpectedFigures,
    own: Clip,
    notes: Notes,
    end: float,
) -> None:
    """One visitor until the time is over: what it does next is drawn from its own seed."""
    dice = random.Random(number)
    try:
        visitor = Visitor(number, server.address, answers, notes)
        salt = number << 16
        while time.monotonic() < end:
            salt += 1
            _step(visitor, dice, own, salt)
            if visitor.client.is_open:
                visitor.client.linger(dice.uniform(0, THINKING_SECONDS))
        if visitor.client.is_open:
            visitor.leave()
    except Exception as error:
        notes.wrong.append(f"visitor {number} could not go on: {type(error).__name__}: {error}")


def _step(visitor: Visitor, dice: random.Random, own: Clip, salt: int) -> None:
    """One thing that a visitor does."""
    client, what = visitor.client, dice.random()
    if not client.is_open:
        visitor.arrive()
    elif visitor.clip is None or what < 0.35:
        visitor.upload(own.again(f"visitor-{visitor.number}-{salt}.mp4", salt))
    elif what < 0.55:
        visitor.switch(dice.choice(PAGES))
    elif what < 0.70:
        visitor.choose("Model", dice.choice(MODELS))
    elif what < 0.88:
        _slow(visitor, dice)
    elif what < 0.92:
        clip = own.damaged(f"damaged-{salt}.mp4", salt)
        visitor.upload_damaged(clip)
    elif what < 0.96:
        others = [clip for number, clip in visitor.notes.shown.items() if number != visitor.number]
        if others:
            visitor.peek(dice.choice(others))
    else:
        clip = own.again(f"left-{salt}.mp4", salt)
        visitor.walk_out(lambda: client.upload(clip.name, clip.bytes), dice.uniform(0, 1))


def _slow(visitor: Visitor, dice: random.Random) -> None:
    """Ask for a slow explanation, mostly stop it at some moment, sometimes run it again."""
    client = visitor.client
    if visitor.where != "explain":
        visitor.switch("explain")
    visitor.method = SLOW
    if dice.random() < 0.3:
        visitor.choose("Method", SLOW)
    else:
        visitor.stop(lambda: client.choose("Method", SLOW), dice.uniform(0, 1.5))
        if dice.random() < 0.5:
            visitor.run_again()
    visitor.choose("Method", QUICK)


def _kill(server: Server, every: float, end: float, notes: Notes) -> None:
    """Kill one of the server's children at random moments."""
    dice = random.Random(0)
    while (pause := dice.uniform(0.5, 1.5) * every) < end - time.monotonic():
        time.sleep(pause)
        children = [pid for mark in CHILDREN for pid in server.children(mark)]
        if children:
            with suppress(ProcessLookupError):
                os.kill(dice.choice(children), signal.SIGKILL)
                notes.count("children killed")


def _report(
    server: Server,
    alone_asks: list[Ask],
    notes: Notes,
    samples: list[Holdings],
    begin: float,
    end: float,
    *,
    is_killed: bool,
) -> Report:
    answered = [ask for ask in notes.asks if ask.outcome == "answer"]
    stops = [ask.stop_seconds for ask in notes.asks if ask.stop_seconds is not None]
    report = Report()
    for kind in sorted({ask.kind for ask in answered}):
        waits = [[ask.wait for ask in asks if ask.kind == kind] for asks in (alone_asks, answered)]
        report.row(
            kind or "inspect", f"alone {_seconds(waits[0])}", f"together {_seconds(waits[1])}",
            f"{len(waits[1])} answers",
        )
    report.facts |= {
        "outcomes": dict(Counter(ask.outcome for ask in notes.asks)),
        "messages": dict(Counter(notes.messages)), **notes.counts,
        "from Stop to the page that says so": _seconds(stops),
    }
    report.checks += [
        Check("pages checked", notes.checked, notes.checked > 0),
        Check("mixed results", len(notes.mixed), not notes.mixed, notes.mixed[:5]),
        Check("errors, hangs, exceptions shown", len(notes.wrong), not notes.wrong,
              notes.wrong[:5]),
        Check("tracebacks in the log", server.tracebacks(), server.tracebacks() == 0),
    ]
    if not is_killed:
        report.checks += [
            Check("messages instead of answers", len(notes.messages), not notes.messages,
                  notes.messages[:5]),
            _fairness(alone_asks, notes.asks, answered),
            _flatness(samples, begin, end),
        ]
    return report


def _seconds(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{statistics.median(values):.2f} s, at most {max(values):.2f} s"


def _fairness(alone_asks: list[Ask], asks: list[Ask], answered: list[Ask]) -> Check:
    """Check that all waits are within the fair share; the slowest one and the one nearest to it."""
    alone = fairness.longest_alone(alone_asks)
    shares = {id(ask): fairness.fair_share(ask, asks, alone) for ask in answered}
    tightest = max(answered, key=lambda ask: ask.wait / shares[id(ask)])
    slowest = max(answered, key=lambda ask: ask.wait)
    text = ", ".join(
        f"{name} {ask.wait:.2f} s of {shares[id(ask)]:.2f} s"
        for name, ask in (("slowest", slowest), ("tightest", tightest))
    )
    return Check("waits within the fair share", text, tightest.wait <= shares[id(tightest)])


def _flatness(samples: list[Holdings], begin: float, end: float) -> Check:
    """Median memory of the last part of the time after warm-up against the first part."""
    warm = begin + min(WARM_UP_SECONDS, 0.2 * (end - begin))
    length = min(WARM_UP_SECONDS, (end - warm) / 3)
    first = [each.memory for each in samples if warm <= each.at < warm + length]
    last = [each.memory for each in samples if end - length <= each.at < end]
    rise = growth(statistics.median(first), statistics.median(last))
    text = f"{rise:+.1%} ({mebibytes(statistics.median(first))} to "
    return Check("memory after warm-up", f"{text}{mebibytes(statistics.median(last))})",
                 abs(rise) <= GROWTH)
