"""The longest fair wait of a visitor, and the waits of a load compared with it.

Alone, an answer of a kind takes at most L(kind), measured beforehand. While others ask too, a fair
queue lets each other visitor have at most one turn before each question of mine. So a wait is
within the fair share if it is at most

    L(my kind) + questions x (sum over the others who asked meanwhile of L(their longest kind))

where a turn of an other is at most L of what it asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tools.load.visitor import Ask


def longest_alone(asks: Sequence[Ask]) -> dict[str, float]:
    """L: the longest answered wait of every kind."""
    answered = [ask for ask in asks if ask.outcome == "answer"]
    return {
        kind: max(ask.wait for ask in answered if ask.kind == kind)
        for kind in {ask.kind for ask in answered}
    }


def rivals(ask: Ask, asks: Sequence[Ask], alone: Mapping[str, float]) -> dict[int, float]:
    """The other visitors who asked while this one waited, each with L of its longest kind."""
    found: dict[int, float] = {}
    for other in asks:
        meanwhile = other.start < ask.end and other.end > ask.start
        if other.visitor != ask.visitor and meanwhile:
            found[other.visitor] = max(found.get(other.visitor, 0.0), alone[other.kind])
    return found


def fair_share(ask: Ask, asks: Sequence[Ask], alone: Mapping[str, float]) -> float:
    """Seconds that this ask may wait."""
    return alone[ask.kind] + ask.questions * sum(rivals(ask, asks, alone).values())
