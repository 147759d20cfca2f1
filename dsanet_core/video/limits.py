"""What reading one file may cost."""

from __future__ import annotations

from dataclasses import dataclass

SHORT_SIDE = 512
LONG_SIDE = 2048
"""Frames are delivered within this size in pixels: more than any network here is shown."""


@dataclass(frozen=True)
class Limits:
    """Caps on reading one file; past any of them the file is refused with a `VideoError`.

    wall_seconds: the child process is killed after this, or after as much time of up to four
    cores. address_space: bytes of virtual memory of the child, whatever asks for them (pictures,
    reference frames, metadata, attachments). max_pixels: width x height of a stored frame (8K by
    default). max_frames, max_duration_seconds: length of the timeline. max_streams: of any kind.
    max_packets: pieces of the video stream in one pass over the file, whether they give frames or
    not. max_file_bytes: size of the file.
    """

    wall_seconds: float = 60.0
    address_space: int = 3 << 30
    max_pixels: int = 8192 * 4320
    max_frames: int = 1_000_000
    max_duration_seconds: float = 4 * 3600.0
    max_streams: int = 64
    max_packets: int = 4_000_000
    max_file_bytes: int = 4 << 30


DEFAULT_LIMITS = Limits()
