"""A visitor of the app: what it asks, what must be shown to it, and how long it waited."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dsanet_core.figures.style import shorten
from dsanet_core.report.text import escape
from tools.load.client import Client, UnansweredError
from tools.load.clips import Clip, ExpectedFigures, plotted_values, same

QUICK_SECONDS = 180
"""A page that is not drawn after so long counts as a hang."""
PAGES = ("", "compare", "explain", "kernels", "dependencies")
QUICK, SLOW = "Grad-CAM", "Integrated gradients"


@dataclass
class Ask:
    """One question to the app. kind: page, "slow" for a slow explanation. questions: jobs that the
    page waits for, one after another. end, outcome: "answer", "stopped", "message" or "hang"."""

    visitor: int
    kind: str
    questions: int
    start: float
    is_fresh: bool
    end: float = float("inf")
    outcome: str = "hang"
    stop_seconds: float | None = None

    @property
    def wait(self) -> float:
        return self.end - self.start


@dataclass
class Notes:
    """Findings of all visitors. wrong: anything that a visitor must never see;
    shown: the clip that each visitor looks at."""

    asks: list[Ask] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    checked: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    shown: dict[int, Clip] = field(default_factory=dict)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class Visitor:
    """One session after the other at an app. clip, where, model, other: what it looks at."""

    def __init__(self, number: int, address: str, answers: ExpectedFigures, notes: Notes) -> None:
        self.number, self.notes = number, notes
        self.clip: Clip | None = None
        self.where, self.model, self.other, self.method = "", "dsa_i3d_synth", "i3d_synth", ""
        self._address, self._answers = address, answers
        self.arrive()

    def arrive(self) -> None:
        """Come anew: nothing uploaded yet."""
        self.clip = None
        query = {"model": self.model, "other": self.other, "method": "grad_cam"}
        self.method = QUICK
        self.client = Client(self._address, self.where, query)
        self.client.settle(QUICK_SECONDS)

    def leave(self) -> None:
        self.client.close()

    # Asking

    def upload(self, clip: Clip) -> None:
        self.clip = self.notes.shown[self.number] = clip
        self._ask(lambda: self.client.upload(clip.name, clip.bytes), is_fresh=True)

    def upload_damaged(self, clip: Clip) -> None:
        """A sentence or what could be saved of it, but of nothing else; then there is no clip."""
        self.clip = None
        with self._asking(is_fresh=False) as noted:
            self.client.upload(clip.name, clip.bytes)
        self._see_nothing_wrong()
        page = self.client.page
        if page.alerts():
            noted.outcome = "refused"
        elif noted.outcome == "answer":
            noted.outcome = "salvaged"
            footers = self._videos()
            if page.labels()[:1] != [_label(clip)] or footers - {clip.sha256[:12]}:
                self.notes.mixed.append(f"{clip.name}: {page.labels()[:1]}, {footers}")

    def peek(self, clip: Clip) -> None:
        """Open a link to another's upload: it must be refused and show nothing of it."""
        query = {"video": f"upload-{clip.sha256}", "model": self.model}
        client = Client(self._address, "", query)
        client.settle(QUICK_SECONDS)
        texts = "\n".join((*client.page.texts(), *client.page.labels()))
        shows = client.page.figures() or clip.name in texts or clip.sha256[:12] in texts
        if shows or not any("uploads live only" in alert for alert in client.page.alerts()):
            self.notes.mixed.append(f"a link to {clip.name} of another was not refused: {texts}")
        self.notes.count("links to others' uploads refused")
        client.close()

    def switch(self, page: str) -> None:
        self.where = page
        self._ask(lambda: self.client.switch(page))

    def choose(self, label: str, option: str) -> None:
        """label: "Model", "Compare with" or "Method"."""
        if label == "Model":
            self.model = option
        elif label == "Compare with":
            self.other = option
        else:
            self.method = option
        self._ask(lambda: self.client.choose(label, option))

    def run_again(self) -> None:
        self._ask(lambda: self.client.click("Run again"))

    def stop(self, ask: Callable[[], object], seconds: float) -> None:
        """Ask, and press Stop so long after the button is there, unless the answer comes first."""
        with self._asking(is_fresh=False) as noted:
            ask()
            client, button = self.client, "Stop"
            client.wait(
                lambda: client.is_drawn or client.page.widget("button", button) is not None,
                QUICK_SECONDS,
            )
            client.linger(seconds)
            pressed = time.monotonic()
            if client.click(button):
                client.settle(QUICK_SECONDS)
                noted.stop_seconds = client.last_message - pressed
        self._look(noted)

    def walk_out(self, ask: Callable[[], object], seconds: float) -> None:
        """Ask, and close the tab so long after."""
        with self._asking(is_fresh=False):
            ask()
            self.client.linger(seconds)
            self.client.close()

    def _ask(self, action: Callable[[], object], *, is_fresh: bool = False) -> None:
        with self._asking(is_fresh=is_fresh) as noted:
            if action() is False:  # it stood like that already
                self.notes.asks.remove(noted)
        self._look(noted)

    @contextmanager
    def _asking(self, *, is_fresh: bool) -> Iterator[Ask]:
        slow = self.where == "explain" and self.method == SLOW
        questions = 2 if self.where in ("compare", "explain") else 1
        noted = Ask(
            self.number, "slow" if slow else self.where, questions, time.monotonic(), is_fresh
        )
        self.notes.asks.append(noted)
        try:
            yield noted
            is_open = self.client.is_open
            last = self.client.settle(QUICK_SECONDS) if is_open else time.monotonic()
            noted.end = max(last, noted.start)
            noted.outcome = "answer" if is_open else "left"
        except UnansweredError as error:
            self.notes.wrong.append(f"visitor {self.number}: no answer on {self.where!r}: {error}")

    # Looking

    def _look(self, noted: Ask) -> None:
        """Check that the page shows this visitor's own results, or a sentence with the reason."""
        page = self.client.page
        self._see_nothing_wrong()
        if noted.outcome != "answer":
            return
        if page.alerts():
            noted.outcome = "message"
            self.notes.messages.append(page.alerts()[0].splitlines()[0])
        elif any(text.startswith("Stopped") for text in page.alerts("INFO")):
            noted.outcome = "stopped"
        elif self.clip is not None:
            self._see_own(self.clip)

    def _see_nothing_wrong(self) -> None:
        page = self.client.page
        for exception in page.exceptions():
            self.notes.wrong.append(f"visitor {self.number}: {exception}")
        for text in (*page.texts(), *page.alerts(), *page.alerts("INFO")):
            if "Traceback" in text or "could not be drawn" in text:
                self.notes.wrong.append(f"visitor {self.number} on {self.where!r}: {text[:200]}")

    def _see_own(self, clip: Clip) -> None:
        page = self.client.page
        models = (self.model, self.other) if self.where == "compare" else (self.model,)
        expected = {}
        if self.where != "explain" or self.client.chosen("Method") == QUICK:
            expected = self._answers.figures(clip, self.where, models)
        text = "\n".join(page.texts())
        weights = re.findall(r"\*\*Weights:\*\*.*?\(sha256 (\w+)\)", text)
        known = [self._answers.analysis(clip, name).model.weights_sha256[:12] for name in models]
        has_answer = bool(expected) or self.where == "explain"
        shown = {alt: plotted_values(spec) for alt, spec in page.figures() if alt in expected}
        checks = {
            "name": page.labels()[:1] == [_label(clip)],
            "video": self._videos() == ({clip.sha256[:12]} if has_answer else set()),
            "weights": weights == (known if has_answer else []),
            "figure": same(shown, expected),
        }
        self.notes.checked += 1
        wrong = [what for what, holds in checks.items() if not holds]
        if wrong:
            self.notes.mixed.append(
                f"visitor {self.number} on {self.where!r} with {models}, {clip.name} "
                f"{clip.sha256[:12]}: {', '.join(wrong)} not its own: {page.labels()[:1]}, "
                f"{self._videos()}, {weights}, figures {sorted(shown)}"
            )

    def _videos(self) -> set[str]:
        """Beginnings of the sha256 of the videos that the page says its answers are about."""
        text = "\n".join(self.client.page.texts())
        return set(re.findall(r"\*\*Video:\*\*.*\(sha256 (\w+)\)", text))


def _label(clip: Clip) -> str:
    """The label above the choice of a video while the app shows this one."""
    return f"**{escape(shorten(clip.name))}** · choose another video"
