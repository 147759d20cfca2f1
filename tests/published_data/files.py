"""Miniatures of published data sets: their annotation files, and files called like their videos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dsanet_core.datasets import open_dataset
from dsanet_core.errors import DatasetError
from tests.dataset_files import rows
from tests.video.make import numbered


def write(root: Path, name: str, *lines: str, end: str = "\n") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def write_json(root: Path, name: str, value: object) -> Path:
    return write(root, name, json.dumps(value), end="")


def write_frames(
    folder: Path, numbers: Sequence[int], name: str = "{:05d}.jpg", size: tuple[int, int] = (48, 64)
) -> Path:
    """Pictures that spell their numbers."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(numbered(number, size)).save(folder / name.format(number), quality=95)
    return folder


def opened(description: str, split: str | None = None) -> list[tuple[str, str]]:
    """Names and categories of the rows."""
    return rows(open_dataset(description, split=split))


def refusal(description: str, split: str | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        open_dataset(description, split=split)
    return str(caught.value)
