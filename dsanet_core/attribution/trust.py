"""What was measured, on videos with known truth, of the maps of each method and network."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from dsanet_core import atomic
from dsanet_core.checkpoints import FOLDER
from dsanet_core.json_values import parse_json, record_from
from dsanet_core.records import METHODS, Method, Trust

FILE = FOLDER / "trust.json"
"""Written by `python -m tools.trust`."""


def trust_of(weights_sha256: str) -> dict[Method, Trust]:
    """How far each method can be trusted for the network with these weights; empty where that was
    not measured."""
    return {
        trust.method: trust for trust in _measured() if trust.weights_sha256 == weights_sha256
    }


def offered(weights_sha256: str) -> tuple[Method, ...]:
    """Methods whose maps are better than random orders; all where that was not measured."""
    trust = trust_of(weights_sha256)
    return tuple(each for each in METHODS if each not in trust or trust[each].is_offered)


@lru_cache(1)
def _measured() -> tuple[Trust, ...]:
    return read_trust(FILE)


def read_trust(path: Path) -> tuple[Trust, ...]:
    """What `write_trust` wrote; nothing without a file."""
    if not path.is_file():
        return ()
    return record_from(tuple[Trust, ...], parse_json(path.read_text(encoding="utf-8"), list))


def write_trust(path: Path, measured: Iterable[Trust]) -> None:
    """One line per network and method; the file appears whole or not at all."""
    lines = (json.dumps(asdict(trust)) for trust in measured)
    atomic.write_text(path, "[\n" + ",\n".join(lines) + "\n]\n")
