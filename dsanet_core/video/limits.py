"""Limits on the cost of reading one file."""

from __future__ import annotations

from dataclasses import dataclass

SHORT_SIDE = 512
LONG_SIDE = 2048
"""Frames are delivered within this size in pixels: more than any network here takes."""

ADDRESS_SPACE_OF_ANY = 1 << 30
"""Bytes: twice what six frames of 8K in H.264 took."""
ADDRESS_SPACE_PER_BYTE = 512


@dataclass(frozen=True)
class Limits:
    """Caps on reading one file; past any of them the file is refused with a `VideoError`.

    wall_seconds: the child process is killed after this, or after as much time of up to four
    cores. address_space: bytes of virtual memory of the child, whatever asks for them (pictures,
    reference frames, metadata, attachments); a small file gets less (see `address_space_for`).
    max_pixels: width x height of a stored frame (8K by default). max_frames, max_duration_seconds:
    length of the timeline. max_streams: of any kind. max_packets: pieces of the video stream in
    one pass over the file, whether they give frames or not. max_file_bytes: size of the file.
    """

    wall_seconds: float = 60.0
    address_space: int = 3 << 30
    max_pixels: int = 8192 * 4320
    max_frames: int = 1_000_000
    max_duration_seconds: float = 4 * 3600.0
    max_streams: int = 64
    max_packets: int = 4_000_000
    max_file_bytes: int = 4 << 30

    def address_space_for(self, file_bytes: int) -> int:
        """Bytes of virtual memory for a file of this size. One wrong number in a header makes
        FFmpeg prepare for a hundred million frames that a small file cannot hold."""
        return min(self.address_space, ADDRESS_SPACE_OF_ANY + ADDRESS_SPACE_PER_BYTE * file_bytes)


DEFAULT_LIMITS = Limits()


def size_notes(size: tuple[int, int], stored: list[tuple[int, int]]) -> list[str]:
    """Remarks on frames that are delivered in `size`; stored: their sizes in the file, the first
    frame's first."""
    notes = []
    if size != stored[0]:
        notes.append("frames reduced to {}x{} before preprocessing".format(*size))
    if len(stored) > 1:
        sizes = ", ".join(f"{width}x{height}" for width, height in stored)
        notes.append(f"the picture changes size on the way ({sizes})")
    return notes


def delivery_size(width: int, height: int, *, short_side: int = SHORT_SIDE) -> tuple[int, int]:
    """Width and height within short_side x LONG_SIDE, same shape, never enlarged."""
    short, long = sorted((width, height))
    scale = min(1.0, short_side / short, LONG_SIDE / long)
    return max(round(width * scale), 1), max(round(height * scale), 1)
