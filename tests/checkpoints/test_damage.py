"""Damaged checkpoints load as what they say, or are refused in words."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.checkpoints.damage import SUFFIXES, damage, originals, verdict
from tests.checkpoints.files import entries_of, good, write_zip

FILES = 150


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_checkpoint_is_refused_or_loads_as_what_it_says(
    tmp_path: Path, suffix: str
) -> None:
    original = originals(tmp_path)[suffix]
    assert verdict(tmp_path / f"a.{suffix}", original) == "loaded"
    verdicts = Counter()
    for seed in range(FILES):
        kind, data = damage(original, random.Random(seed))
        said = verdict(tmp_path / f"a.{suffix}", data)
        assert said in ("refused", "loaded"), (seed, kind)
        verdicts[said] += 1
    assert verdicts["refused"] > FILES / 2


def test_tensors_are_found_by_name_in_an_archive_of_another_order(tmp_path: Path) -> None:
    entries = entries_of(good(tmp_path / "a.pth"))
    turned = write_zip(tmp_path / "b.pth", dict(reversed(entries.items())))
    assert verdict(tmp_path / "c.pth", turned.read_bytes()) == "loaded"
