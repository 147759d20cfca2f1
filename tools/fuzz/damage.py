"""Damaged videos: each is determined by its container and a seed."""

from __future__ import annotations

import random
from collections.abc import Callable

from tools.fuzz.bases import CONTAINERS, bases
from tools.fuzz.elements import BYTE_ORDER, Element, elements

HEAD_BYTES = 1024
NUM_DAMAGES = (1, 1, 1, 2, 3, 4)
WIDTHS = (1, 2, 4, 8)


class Patient:
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
    patient = Patient(container, rng)
    intact = bytes(patient.data)
    while bytes(patient.data) == intact:
        for _ in range(rng.choice(NUM_DAMAGES)):
            rng.choice(DAMAGES)(patient)
            if not patient.data:
                patient.data = bytearray(intact[: rng.randint(1, HEAD_BYTES)])
    return bytes(patient.data)


def flip_bits(patient: Patient) -> None:
    rng = patient.rng
    for _ in range(rng.choice((1, 2, 5, 20, 100))):
        patient.data[patient.place()] ^= 1 << rng.randrange(8)


def overwrite(patient: Patient) -> None:
    rng = patient.rng
    start = patient.place()
    length = min(rng.choice((1, 4, 16, 100, 1000)), len(patient.data) - start)
    fill = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    patient.data[start : start + length] = fill


def cut(patient: Patient) -> None:
    """Off at the end, at the start, or out of the middle."""
    rng = patient.rng
    start, end = sorted((patient.place(), patient.place()))
    kept = rng.choice((patient.data[:end], patient.data[start:]))
    if rng.random() < 0.3:
        kept = patient.data[:start] + patient.data[end:]
    patient.data = kept


def insert(patient: Patient) -> None:
    start = patient.place()
    patient.data[start:start] = patient.rng.randbytes(patient.rng.choice((1, 2, 7, 188, 500)))


def remove_part(patient: Patient) -> None:
    part = patient.part()
    del patient.data[part.start : part.end]


def repeat_part(patient: Patient) -> None:
    part = patient.part()
    content = bytes(patient.data[part.start : part.end])
    times = min(patient.rng.choice((1, 2, 50, 1000)), 1 + 2_000_000 // max(len(content), 1))
    where = patient.rng.choice((part.end, part.body, patient.part().start))
    patient.data[where:where] = content * times


def swap_parts(patient: Patient) -> None:
    first, second = sorted((patient.part(), patient.part()), key=lambda part: part.start)
    if first.end > second.start:
        return
    data = patient.data
    patient.data = (
        data[: first.start]
        + data[second.start : second.end]
        + data[first.end : second.start]
        + data[first.start : first.end]
        + data[second.end :]
    )


def splice_part(patient: Patient) -> None:
    """An element of another file, also one of another container, before or instead of one here."""
    rng = patient.rng
    container = patient.container if rng.random() < 0.7 else rng.choice(CONTAINERS)
    other = rng.choice(bases(container))
    foreign = rng.choice(elements(container, other))
    part = patient.part()
    end = rng.choice((part.start, part.end))
    patient.data[part.start : end] = other[foreign.start : foreign.end]


def lie_about_size(patient: Patient) -> None:
    part = patient.part()
    if part.size is not None:
        _lie(patient, *part.size)


def lie_in_header(patient: Patient) -> None:
    """Numbers within an element: counts, sizes, places, dimensions, time scales, durations."""
    rng = patient.rng
    for _ in range(rng.choice((1, 1, 2, 6))):
        part = patient.part(leaf=True)
        length = part.end - part.body
        if length in WIDTHS:  # an EBML number is a whole element
            _lie(patient, part.body, length)
        elif length > 0:
            width = rng.choice(WIDTHS)
            steps = max(min(length, 256) // width, 1)
            _lie(patient, part.body + width * rng.randrange(steps), width)


def _lie(patient: Patient, place: int, width: int) -> None:
    rng, order = patient.rng, BYTE_ORDER[patient.container]
    most = (1 << 8 * width) - 1
    true = int.from_bytes(patient.data[place : place + width], order)
    lies = (0, 1, 2, most, most - 1, most >> 1, (most >> 1) + 1, true + 1, true - 1, true * 2)
    lie = rng.choice((*lies, true // 2, rng.randint(0, most), 1 << rng.randrange(8 * width)))
    if place + width <= len(patient.data):
        patient.data[place : place + width] = (lie & most).to_bytes(width, order)


DAMAGES: tuple[Callable[[Patient], None], ...] = (
    flip_bits,
    overwrite,
    cut,
    insert,
    remove_part,
    repeat_part,
    swap_parts,
    splice_part,
    lie_about_size,
    lie_in_header,
    lie_in_header,
)
