"""What every dataset is: rows of (video, category)."""

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
SAMPLE_SEED = 0
PYAV, DECORD = "pyav", "decord"


class Dataset(ABC):
    """Videos with a category each; can be pickled.

    arguments: of `open_dataset` for the same dataset again. name: for people. categories: true
    category of every row, the first where it has several. groups: named groups of categories, empty
    where there are none. row_ids: number of every row among those that a limit was drawn from,
    ascending. missing: names of the videos that a published data set lists and that are not there;
    they are no rows. reader: how video files are read, a key of `files.READERS`.
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
        """Every category once, in the order of the numbers that were published with the data set;
        alphabetically where there are none. Some may have no row."""
        return sorted(set(self.categories))

    def other_categories(self, index: int) -> Sequence[str]:
        """What else is true of row `index`, beside its category."""
        return ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over what identifies the rows, the same wherever the files lie.

        Of a video file that is its path below the folder or list, category, start, end and size in
        bytes when first asked, not its content: a file changed in place to another one of equal
        size is not noticed.
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
        """How to call row `index` in messages and tables; valid Unicode."""

    @abstractmethod
    def clips(
        self, index: int, sampling: Sampling, part: Part = None, *, draw: Draw = None
    ) -> Clips:
        """The frames of row `index` that a protocol asks for, `part` and `draw` as of `read_clips`.
        Raises VideoError."""

    def path(self, index: int) -> Path | None:
        """The video file of row `index`, which may be missing; None for videos that are drawn."""
        return None

    def window(self, index: int) -> Window:
        """(start, end) of row `index` within its video, as of `read_clips`; None: all of it."""
        return None

    def limited(self, count: int) -> Dataset:
        """`count` of the rows, drawn at random but always the same ones, in their order; all rows
        if they are no more. A smaller number gives some of the rows of a larger one.
        Raises DatasetError for a number below 1."""
        if count < 1:
            raise DatasetError(
                f"a limit of {count} videos", "at least 1", "Leave it out for all videos."
            )
        return self if count >= len(self) else _Sample(self, count)


class _Sample(Dataset):
    """Some rows of another dataset."""

    def __init__(self, source: Dataset, count: int) -> None:
        draw = Random(SAMPLE_SEED)
        # Python promises the numbers of random() for all versions to come, not those of sample().
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
