"""Damaged videos: each is determined by its container and a seed."""

from __future__ import annotations

import random
from collections.abc import Callable

from tools.fuzz.bases import CONTAINERS, bases
from tools.fuzz.elements import BYTE_ORDER, Element, elements

HEAD_BYTES = 1024
NUM_DAMAGES = (1, 1, 1, 2, 3, 4)
WIDTHS = (1, 2, 4, 8)


class DamagedFile:
    """A file under damage. parts: the elements of the intact file, which later damage takes at
    their old places: from then on it may hit anything."""

    def __init__(self, container: str, rng: random.Random) -> None:
        self.container = container
        self.rng = rng
        self.data = bytearray(rng.choice(bases(container)))
        self.parts = elements(container, bytes(self.data))

    def part(self, *, leaf: bool = False) -> Element:
        """An element, one in the way to the pictures rather than one of the many pictures."""
        parts = [part for part in self.parts if part.is_leaf or not leaf]
        small = parts[: max(len(parts) // 3, 40)]
        return self.rng.choice(small if self.rng.random() < 0.7 else parts)

    def place(self) -> int:
        """Of a byte, every other one near the start."""
        most = len(self.data)
        return self.rng.randrange(min(most, HEAD_BYTES) if self.rng.random() < 0.5 else most)


def damaged(container: str, seed: int) -> bytes:
    """One to four damages to an intact file; the same bytes for the same arguments."""
    rng = random.Random(f"{container} {seed}")
    file = DamagedFile(container, rng)
    intact = bytes(file.data)
    while bytes(file.data) == intact:
        for _ in range(rng.choice(NUM_DAMAGES)):
            rng.choice(DAMAGES)(file)
            if not file.data:
                file.data = bytearray(intact[: rng.randint(1, HEAD_BYTES)])
    return bytes(file.data)


def flip_bits(file: DamagedFile) -> None:
    rng = file.rng
    for _ in range(rng.choice((1, 2, 5, 20, 100))):
        file.data[file.place()] ^= 1 << rng.randrange(8)


def overwrite(file: DamagedFile) -> None:
    rng = file.rng
    start = file.place()
    length = min(rng.choice((1, 4, 16, 100, 1000)), len(file.data) - start)
    fill = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    file.data[start : start + length] = fill


def cut(file: DamagedFile) -> None:
    """Off at the end, at the start, or out of the middle."""
    rng = file.rng
    start, end = sorted((file.place(), file.place()))
    kept = rng.choice((file.data[:end], file.data[start:]))
    if rng.random() < 0.3:
        kept = file.data[:start] + file.data[end:]
    file.data = kept


def insert(file: DamagedFile) -> None:
    start = file.place()
    file.data[start:start] = file.rng.randbytes(file.rng.choice((1, 2, 7, 188, 500)))


def remove_part(file: DamagedFile) -> None:
    part = file.part()
    del file.data[part.start : part.end]


def repeat_part(file: DamagedFile) -> None:
    part = file.part()
    content = bytes(file.data[part.start : part.end])
    times = min(file.rng.choice((1, 2, 50, 1000)), 1 + 2_000_000 // max(len(content), 1))
    where = file.rng.choice((part.end, part.body, file.part().start))
    file.data[where:where] = content * times


def swap_parts(file: DamagedFile) -> None:
    first, second = sorted((file.part(), file.part()), key=lambda part: part.start)
    if first.end > second.start:
        return
    data = file.data
    file.data = (
        data[: first.start]
        + data[second.start : second.end]
        + data[first.end : second.start]
        + data[first.start : first.end]
        + data[second.end :]
    )


def splice_part(file: DamagedFile) -> None:
    """An element of another file, also one of another container, before or instead of one here."""
    rng = file.rng
    container = file.container if rng.random() < 0.7 else rng.choice(CONTAINERS)
    other = rng.choice(bases(container))
    foreign = rng.choice(elements(container, other))
    part = file.part()
    end = rng.choice((part.start, part.end))
    file.data[part.start : end] = other[foreign.start : foreign.end]


def corrupt_size(file: DamagedFile) -> None:
    part = file.part()
    if part.size is not None:
        _corrupt_number(file, *part.size)


def corrupt_header(file: DamagedFile) -> None:
    """Numbers within an element: counts, sizes, places, dimensions, time scales, durations."""
    rng = file.rng
    for _ in range(rng.choice((1, 1, 2, 6))):
        part = file.part(leaf=True)
        length = part.end - part.body
        if length in WIDTHS:  # an EBML number is a whole element
            _corrupt_number(file, part.body, length)
        elif length > 0:
            width = rng.choice(WIDTHS)
            steps = max(min(length, 256) // width, 1)
            _corrupt_number(file, part.body + width * rng.randrange(steps), width)


def _corrupt_number(file: DamagedFile, place: int, width: int) -> None:
    rng, order = file.rng, BYTE_ORDER[file.container]
    most = (1 << 8 * width) - 1
    true = int.from_bytes(file.data[place : place + width], order)
    lies = (0, 1, 2, most, most - 1, most >> 1, (most >> 1) + 1, true + 1, true - 1, true * 2)
    forged = rng.choice((*lies, true // 2, rng.randint(0, most), 1 << rng.randrange(8 * width)))
    if place + width <= len(file.data):
        file.data[place : place + width] = (forged & most).to_bytes(width, order)


DAMAGES: tuple[Callable[[DamagedFile], None], ...] = (
    flip_bits,
    overwrite,
    cut,
    insert,
    remove_part,
    repeat_part,
    swap_parts,
    splice_part,
    corrupt_size,
    corrupt_header,
    corrupt_header,
)
