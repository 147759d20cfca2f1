"""The interface of datasets: rows of (video, class)."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random

from dsanet_core.errors import DatasetError
from dsanet_core.records import Clips, Sampling

Part = tuple[int, int] | None
Window = tuple[float, float] | None
Draw = Sequence[float] | None
SUBSET_SEED = 0
PYAV, DECORD = "pyav", "decord"


class Dataset(ABC):
    """Videos with a class each; can be pickled.

    arguments: of `open_dataset`, to open it again. name: for display. categories: ground truth of
    every row, the first where it has several classes. groups: named groups of classes, may be
    empty. row_ids: index of every row in the full dataset, ascending. missing: names of listed
    videos that do not exist; they are no rows. reader: of video files, a key of `files.READERS`.
    """

    arguments: Mapping[str, str | int | None]
    name: str
    categories: Sequence[str]
    groups: Mapping[str, Sequence[str]]
    missing: Sequence[str] = ()
    reader: str = PYAV

    def __init__(self, description: str, split: str | None = None) -> None:
        self.arguments = {"description": description, "split": split, "limit": None}
        self.name = description if split is None else f"{description}, split {split}"

    def __len__(self) -> int:
        return len(self.categories)

    @property
    def row_ids(self) -> Sequence[int]:
        return range(len(self))

    @property
    def class_names(self) -> Sequence[str]:
        """All classes in the order of their published indices, else alphabetically; some may have
        no row."""
        return sorted(set(self.categories))

    def other_categories(self, index: int) -> Sequence[str]:
        """Further true classes of row `index`."""
        return ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the identity of the rows, independent of where the files are.

        For a video file: its relative path, class, start, end and size in bytes at the first call,
        not its content. A file replaced by another one of equal size is not noticed.
        """
        digest = hashlib.sha256()
        for fact in self._identity():
            digest.update(json.dumps(fact).encode() + b"\n")
        return digest.hexdigest()

    @abstractmethod
    def _identity(self) -> Iterable[object]:
        """JSON values that identify the rows."""

    @abstractmethod
    def video_name(self, index: int) -> str:
        """Name of row `index` in messages and tables; valid Unicode."""

    @abstractmethod
    def clips(
        self, index: int, sampling: Sampling, part: Part = None, *, draw: Draw = None
    ) -> Clips:
        """Sampled frames of row `index`; part, draw: as of `read_clips`. Raises VideoError."""

    def path(self, index: int) -> Path | None:
        """The video file of row `index`, which may be missing; None for rendered videos."""
        return None

    def window(self, index: int) -> Window:
        """(start, end) of row `index` in its video, as of `read_clips`; None: the whole video."""
        return None

    def limited(self, count: int) -> Dataset:
        """A fixed random subset of `count` rows in their order; all rows if there are no more. The
        subset of a smaller count is contained in that of a larger one. Raises DatasetError for a
        count below 1."""
        if count < 1:
            raise DatasetError(
                f"a limit of {count} videos", "at least 1", "Leave it out for all videos."
            )
        return self if count >= len(self) else _Subset(self, count)


class _Subset(Dataset):
    """A fixed random subset of another dataset."""

    def __init__(self, source: Dataset, count: int) -> None:
        draw = Random(SUBSET_SEED)
        # Python guarantees the sequence of random() across versions, not that of sample().
        ranks = [draw.random() for _ in range(len(source))]
        order = sorted(range(len(source)), key=ranks.__getitem__)
        self._source = source
        self._rows = sorted(order[:count])
        self.arguments = {**source.arguments, "limit": count}
        self.name = f"{source.name}, {count} of {len(source)} videos at random"
        self.categories = [source.categories[row] for row in self._rows]
        self.groups = source.groups
        self.missing = source.missing
        self.reader = source.reader

    @property
    def class_names(self) -> Sequence[str]:
        return self._source.class_names

    def other_categories(self, index: int) -> Sequence[str]:
        return self._source.other_categories(self._rows[index])

    @property
    def row_ids(self) -> Sequence[int]:
        ids = self._source.row_ids
        return [ids[row] for row in self._rows]

    def _identity(self) -> Iterable[object]:
        return [self._source.fingerprint, self._rows]

    def limited(self, count: int) -> Dataset:
        return self if count >= len(self) else self._source.limited(count)

    def video_name(self, index: int) -> str:
        return self._source.video_name(self._rows[index])

    def clips(
        self, index: int, sampling: Sampling, part: Part = None, *, draw: Draw = None
    ) -> Clips:
        return self._source.clips(self._rows[index], sampling, part, draw=draw)

    def path(self, index: int) -> Path | None:
        return self._source.path(self._rows[index])

    def window(self, index: int) -> Window:
        return self._source.window(self._rows[index])
