"""What the pages of why ask of networks: attributions, their curves, what-ifs, rankings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from app.server import tasks
from app.server.services import Question
from dsanet_core.records import METHOD_NAMES, Attribution, Method
from dsanet_core.whatif import Change


def attribution(model: str, method: Method, category: int, snippet: int | None) -> Question:
    """An `Attribution`. category, snippet: indices; None: of the whole video."""
    answer = partial(tasks.attribution, method=method, category=category, snippet=snippet)
    key = ("attribution", method, category, snippet)
    return Question(model, key, answer, METHOD_NAMES[method].lower())


def curves(model: str, shown: Attribution) -> Question:
    """The `Faithfulness` of an attribution by the same model."""
    key = ("curves", shown.method, shown.category, shown.snippet)
    return Question(model, key, partial(tasks.curves, shown=shown), "insertion and deletion")


def changed(model: str, texts: Sequence[str], changes: Sequence[Change]) -> Question:
    """The `Analysis` after changes. texts: what tells these changes from others."""
    answer = partial(tasks.changed, changes=tuple(changes))
    return Question(model, ("changed", *texts), answer, "running with the changes")


def ranking(model: str, category: int) -> Question:
    """The `Effects` of every block on a category."""
    answer = partial(tasks.ranking, category=category)
    return Question(model, ("ranking", category), answer, "one block after the other")
