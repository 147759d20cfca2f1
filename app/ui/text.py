"""Sentences of the frame of pages. Pure functions, without Streamlit."""

from __future__ import annotations

import math

from dsanet_core.records import Video
from dsanet_core.report.text import escape
from dsanet_core.text_format import plural
from dsanet_core.video.frame_folder import PICTURES


def copy_note(video: Video, seconds: float | None) -> str:
    """Note on a played copy; seconds: length of the copied part, None for the whole video."""
    part = "" if seconds is None else f" of the first {seconds:.0f} s"
    original = escape(f"{video.codec} in {video.container}")
    return f"A small H.264 copy{part}, without sound. The original is {original}."


def rendered_note(video: Video) -> str:
    """Note on a playable rendering of a synthetic video or of a folder of pictures."""
    size = f"{video.width} x {video.height} px"
    if video.container == PICTURES:
        return f"Encoded for playback; the model used the original pictures at {size}."
    return f"Enlarged for playback; the model used the same video at {size}."


def played_seconds(window: tuple[float, float] | None) -> tuple[float, float | None]:
    """Start and end of the played part in seconds; None: to the end of the video."""
    start, end = window or (0.0, math.inf)
    return start, None if math.isinf(end) else end


def queue_place(ahead: int) -> str:
    """Position in the queue of a waiting analysis; ahead: number of analyses before it."""
    if not ahead:
        return "Queued: next in line"
    return f"Queued: {plural(ahead, 'analysis', 'analyses')} ahead"
