"""Files that datasets are made of, and what their rows are called."""

from __future__ import annotations

from pathlib import Path

from dsanet_core.datasets import Dataset


def touch(root: Path, *names: str) -> Path:
    """Files that are no videos, each of another size."""
    for size, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * size)
    return root


def write_list(path: Path, *lines: str, end: str = "\n") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode())
    return str(path)


def rows(dataset: Dataset) -> list[tuple[str, str]]:
    return [(dataset.video_name(i), dataset.categories[i]) for i in range(len(dataset))]
