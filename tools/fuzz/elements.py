"""Bounds of the elements of a container, which a forged or truncated file states wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Element:
    """A box, element, chunk, packet or block of a file: bytes start to end, of which those from
    body are its content. size: place and length in bytes of the number that says how long it is."""

    start: int
    body: int
    end: int
    size: tuple[int, int] | None = None
    is_leaf: bool = True


BYTE_ORDER: dict[str, Literal["big", "little"]] = {
    "mp4": "big",
    "mkv": "big",
    "webm": "big",
    "avi": "little",
    "gif": "little",
    "ts": "big",
}

_MP4_PARENTS = frozenset(
    b"moov trak mdia minf stbl edts dinf mvex moof traf mfra udta meta".split()
)
_EBML_PARENTS = frozenset(
    bytes.fromhex(number)
    for number in (
        *("1a45dfa3", "18538067", "1549a966", "1654ae6b", "ae", "e0", "1f43b675", "a0"),
        *("1c53bb6b", "bb", "b7", "114d9b74", "4dbb", "1254c367", "7373", "63c0", "67c8"),
    )
)
_TS_PACKET = 188


def elements(container: str, data: bytes) -> list[Element]:
    """All elements of an intact file, parents before their children."""
    walk = {"mp4": _boxes, "mkv": _ebml, "webm": _ebml, "avi": _chunks}.get(container)
    if walk is not None:
        return list(walk(data, 0, len(data)))
    return list(_gif_blocks(data) if container == "gif" else _ts_packets(data))


def _boxes(data: bytes, place: int, end: int) -> Iterator[Element]:
    while place + 8 <= end:
        length = int.from_bytes(data[place : place + 4], "big")
        if length < 8 or place + length > end:
            return
        is_parent = data[place + 4 : place + 8] in _MP4_PARENTS
        yield Element(place, place + 8, place + length, (place, 4), not is_parent)
        if is_parent:
            yield from _boxes(data, place + 8, place + length)
        place += length


def _ebml(data: bytes, place: int, end: int) -> Iterator[Element]:
    while place + 2 <= end and data[place]:
        id_end = place + 9 - data[place].bit_length()
        if id_end >= end or not data[id_end]:
            return
        width = 9 - data[id_end].bit_length()
        body = id_end + width
        length = int.from_bytes(data[id_end:body], "big") & ((1 << 7 * width) - 1)
        stop = end if length == (1 << 7 * width) - 1 else body + length
        if stop > end:
            return
        is_parent = data[place:id_end] in _EBML_PARENTS
        yield Element(place, body, stop, (id_end, width), not is_parent)
        if is_parent:
            yield from _ebml(data, body, stop)
        place = stop


def _chunks(data: bytes, place: int, end: int) -> Iterator[Element]:
    while place + 8 <= end:
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        stop = place + 8 + length
        if stop > end:
            return
        is_parent = data[place : place + 4] in (b"RIFF", b"LIST")
        yield Element(place, place + 8, stop, (place + 4, 4), not is_parent)
        if is_parent:
            yield from _chunks(data, place + 12, stop)
        place = stop + length % 2


def _ts_packets(data: bytes) -> Iterator[Element]:
    for place in range(0, len(data) - _TS_PACKET + 1, _TS_PACKET):
        yield Element(place, place + 4, place + _TS_PACKET, (place + 4, 1))


def _gif_blocks(data: bytes) -> Iterator[Element]:
    def table(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    place = 13 + table(data[10])
    yield Element(0, 6, place)
    while place < len(data) and data[place] in (0x21, 0x2C):
        is_picture = data[place] == 0x2C
        body = place + 11 + table(data[place + 9]) if is_picture else place + 2
        end = body
        while data[end]:
            end += 1 + data[end]
        yield Element(place, place + 1, end + 1, (body, 1))
        place = end + 1
