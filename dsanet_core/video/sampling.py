"""Frame indices of the snippets of a video. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dsanet_core.records import Sampling

IntArray = NDArray[np.int64]
Seconds = NDArray[np.float64]

CLOCK_SLACK = 1e-6
"""Seconds by which the ends of a window may be off: what a decimal fraction loses."""


def snippet_span(sampling: Sampling) -> int:
    """Frames from the first to the last frame of a snippet, both counted."""
    return (sampling.frames_per_snippet - 1) * sampling.frame_stride + 1


def snippet_indices(
    num_frames: int, sampling: Sampling, draw: Sequence[float] | None = None
) -> IntArray:
    """Frame indices (S, T) of the snippets of a video of num_frames frames.

    At test time (without `draw`) snippet i of S starts at floor(i d + d / 2) with d = (num_frames -
    span) / S: the middle of the i-th of S equal parts of the range of starts, as the test mode of
    MMAction2's SampleFrames does; here a snippet ends with its last frame and not one stride later.

    draw: of a training draw (DSANet, section 4.2), S fractions in [0, 1): the starts at which a
    whole snippet fits are divided into S equal parts, and snippet i starts at its fraction of the
    i-th. A video too short for S different starts repeats some.

    A video shorter than one snippet gives S equal snippets, filled up by `sampling.policy`.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; expected at least 1")
    span, count = snippet_span(sampling), sampling.num_snippets
    if draw is None:
        step = max(num_frames - span, 0) / count
        starts = np.floor((np.arange(count) + 0.5) * step).astype(np.int64)
    else:
        check_draw(draw, sampling)
        num_starts = max(num_frames - span + 1, 1)
        segment = np.arange(count) + np.asarray(draw, np.float64)
        starts = np.floor(segment * (num_starts / count)).astype(np.int64)
        starts = np.minimum(starts, num_starts - 1)
    return _frames_from(starts, num_frames, sampling)


def check_draw(draw: Sequence[float], sampling: Sampling) -> None:
    """Raises ValueError for a draw that is not one fraction in [0, 1) for each snippet."""
    if len(draw) != sampling.num_snippets or not all(0 <= fraction < 1 for fraction in draw):
        raise ValueError(f"draw {draw}; expected {sampling.num_snippets} fractions in [0, 1)")


def frames_inside(window: Sequence[float], seconds: Seconds) -> range:
    """The frames at start <= time < end of a window (start, end), given the times (N,) of all."""
    first, stop = np.searchsorted(seconds, np.array(window, np.float64) - CLOCK_SLACK).tolist()
    return range(first, stop)


def in_words(window: Sequence[float]) -> str:
    start, end = window
    return f"{start:.6g} s to " + ("its end" if end == np.inf else f"{end:.6g} s")


def length_notes(inside: range, seconds: Seconds, sampling: Sampling) -> list[str]:
    """Remarks on a video of which only some frames count, or fewer than a snippet has. seconds:
    (N,) times of all frames."""
    notes = []
    if len(inside) < len(seconds):
        first, last = seconds[[inside.start, inside.stop - 1]]
        part = f"{len(inside)} of {len(seconds)} frames"
        notes.append(f"the part from {first:.2f} s to {last:.2f} s, {part}")
    span = snippet_span(sampling)
    if len(inside) < span:
        filling = "the last one is repeated" if sampling.policy == "repeat_last" else "they loop"
        notes.append(f"shorter than a snippet ({len(inside)} of {span} frames): {filling}")
    return notes


def _frames_from(starts: IntArray, num_frames: int, sampling: Sampling) -> IntArray:
    offsets = np.arange(sampling.frames_per_snippet, dtype=np.int64) * sampling.frame_stride
    indices: IntArray = starts[:, None] + offsets
    if sampling.policy == "loop":
        return indices % num_frames
    return np.minimum(indices, num_frames - 1)
