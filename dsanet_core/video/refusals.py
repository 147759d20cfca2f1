"""Error messages about files that cannot be read."""

from __future__ import annotations

from dsanet_core.errors import VideoError, printable
from dsanet_core.video.limits import Limits

EXPECTED = "a video file (MP4, MOV, WebM, MKV, AVI, GIF, MPEG, TS, OGG, FLV, ASF)"
RE_EXPORT = "Export it again, for example as MP4 with H.264."
TRIM = "Cut out the part you are interested in and try again."

REFUSALS: dict[str, tuple[str, str, str]] = {
    "no_video": ("holds {detail} but no pictures", "a file with a video stream", RE_EXPORT),
    "no_decoder": ("uses a codec that is not known here", "a codec of FFmpeg", RE_EXPORT),
    "no_frames": (
        "holds a video stream of which no picture could be decoded",
        "pictures of at most {limits.max_pixels} pixels",
        "The file is damaged or encrypted, or its pictures are larger: fetch or export it again.",
    ),
    "too_large": (
        "has pictures of {detail} pixels",
        "at most {limits.max_pixels} pixels a picture",
        "Scale it down and try again.",
    ),
    "too_many_frames": ("has more than {detail} frames", "no more than that", TRIM),
    "too_long": (
        "lasts {detail} s",
        "at most {limits.max_duration_seconds:g} s",
        TRIM,
    ),
    "too_many_streams": (
        "holds {detail} streams",
        "at most {limits.max_streams} of pictures, sound and text together",
        "Export it again with the one video stream that is to be looked at.",
    ),
    "too_many_packets": (
        "has a video stream of more than {detail} packets",
        "no more than that",
        TRIM,
    ),
    "empty_window": (
        "has no picture from {detail}",
        "at least one between start and end",
        "Correct the start and end of this row.",
    ),
    "memory": (
        "needs more memory to decode than is allowed",
        "a decoder within {limits.address_space} bytes, less for a small file",
        "Its pictures are very large, or a damaged header claims that something in it is: scale it"
        " down, fetch it or export it again.",
    ),
    "no_decoder_library": (
        "cannot be read without PyAV ({detail})",
        "the package 'av'",
        "Install it with: pip install av",
    ),
}


def refusal(name: str, code: str, detail: str, head: bytes, limits: Limits) -> VideoError:
    """The error for a code that the child gave. head: the first bytes of the file."""
    if code not in REFUSALS:
        return VideoError(f"{name} {describe(head)}", EXPECTED, RE_EXPORT)
    value, expected, next_step = REFUSALS[code]
    fill = {"detail": shown_as(detail, 60), "limits": limits}
    return VideoError(f"{name} {value.format(**fill)}", expected.format(**fill), next_step)


def describe(head: bytes) -> str:
    """Guess from its first bytes the kind of a file that is no readable video, as a verb phrase."""
    for offset, magic, phrase in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return phrase
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        # The last character may be cut in two by the end of `head`.
        text = head[: error.start].decode() if error.start >= len(head) - 3 else ""
    if text and all(c.isprintable() or c.isspace() for c in text):
        return "is a text file"
    return "is not a video format that can be read here"


_CUT = "is cut short or damaged at the part that says where its pictures are"
_SIGNATURES = (
    (0, b"#EXTM3U", "is an HLS playlist, which only points to other files"),
    (0, b"ffconcat", "is an ffconcat script, which only points to other files"),
    (4, b"ftyp", f"starts as MP4 or MOV but {_CUT}"),
    (0, b"\x1a\x45\xdf\xa3", f"starts as MKV or WebM but {_CUT}"),
    (8, b"AVI ", f"starts as AVI but {_CUT}"),
    (8, b"WAVE", "is a sound file (WAV)"),
    (8, b"WEBP", "is a picture (WebP)"),
    (0, b"ID3", "is a sound file (MP3)"),
    (0, b"fLaC", "is a sound file (FLAC)"),
    (0, b"\xff\xd8\xff", "is a picture (JPEG)"),
    (0, b"\x89PNG", "is a picture (PNG)"),
    (0, b"%PDF", "is a PDF document"),
    (0, b"PK\x03\x04", "is a ZIP archive or an office document"),
    (0, b"\x1f\x8b", "is a gzip archive"),
    (0, b"\x7fELF", "is a program"),
    (0, b"<!DOCTYPE", "is a web page"),
    (0, b"<html", "is a web page"),
)


def shown_as(text: str, longest: int = 100) -> str:
    """The text on one line, control and invisible characters escaped, cut in the middle."""
    shown = printable(text)
    half = longest // 2
    return shown if len(shown) <= longest else f"{shown[:half]}...{shown[-half:]}"
