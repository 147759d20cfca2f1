"""Sentences of the page Explain. Pure functions of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dsanet_core.figures.style import same_frames, snippet_word
from dsanet_core.records import (
    METHOD_NAMES,
    METHODS,
    Analysis,
    Attribution,
    Faithfulness,
    Method,
    Trust,
)
from dsanet_core.report import captions
from dsanet_core.report.text import escape
from dsanet_core.text_format import seconds_range, signed

WHOLE_VIDEO = ""
_METHODS: dict[Method, str] = {
    "integrated_gradients": "gradients accumulated from an empty video to this one; the "
    "contributions of all pixels add up to the difference in logit.",
    "grad_cam": "locations of the last feature map that support the class; fast and coarse.",
    "occlusion": "drop in logit when a small space-time tube is covered.",
    "ablation": "drop in logit without a frame or snippet; no spatial resolution.",
}
METHODS_HELP = "\n".join(f"- {METHOD_NAMES[name]}: {text}" for name, text in _METHODS.items())


def not_offered(trust: Mapping[str, Mapping[Method, Trust]]) -> str:
    """The methods that are not offered for a model, with the reason; "" if all are offered.

    trust: as returned by `trust_of`, by model name.
    """
    sentences = []
    for model, known in trust.items():
        for method in METHODS:
            if method in known and not known[method].is_offered:
                found = known[method]
                sentences.append(
                    f"{METHOD_NAMES[method]} is not offered for {escape(model)}: insertion minus "
                    f"deletion is no better than for random orders ({signed(found.gain, 2)} vs "
                    f"{signed(found.random_gain, 2)} on {found.gain_videos} videos)."
                )
    return " ".join(sentences)


def part_label(analysis: Analysis, option: str) -> str:
    """Label of an option of the explained part."""
    if option == WHOLE_VIDEO:
        return "Whole video"
    snippet = int(option) - 1
    seconds = analysis.pts_seconds[snippet]
    word = analysis.protocol.snippet_word.capitalize()
    return f"{word} {option}, {seconds_range(float(seconds.min()), float(seconds.max()))}"


def frame_label(analysis: Analysis, option: str) -> str:
    """Label of a frame option; frames are numbered through all snippets, from 1."""
    snippet, frame = frame_position(analysis, option)
    seconds = f"{analysis.pts_seconds[snippet, frame]:.2f} s"
    if analysis.protocol.snippet_word == "frame":
        return f"Frame {option} · {seconds}"
    return f"Snippet {snippet + 1}, frame {frame + 1} · {seconds}"


def frame_position(analysis: Analysis, option: str) -> tuple[int, int]:
    """Snippet index and frame index of a frame option."""
    snippet, frame = divmod(int(option) - 1, analysis.protocol.sampling.frames_per_snippet)
    return snippet, frame


def nearest_frame(a: Analysis, b: Analysis, position: tuple[int, int]) -> tuple[int, int]:
    """Snippet and frame of `b` nearest in time to a position of `a`."""
    if same_frames(a, b):
        return position
    apart = np.abs(b.pts_seconds - a.pts_seconds[position])
    snippet, frame = np.unravel_index(int(apart.argmin()), apart.shape)
    return int(snippet), int(frame)


def timeline_caption(analyses: Sequence[Analysis]) -> str:
    word = snippet_word(analyses)
    frames = (
        ""
        if all(analysis.protocol.snippet_word == "frame" for analysis in analyses)
        else " The lower chart shows the contribution of each frame of the video, summed over the "
        "snippets that contain it."
    )
    return f"{captions.importance(word)}{frames}"


def heat_caption(attributions: Sequence[Attribution]) -> str:
    grid = attributions[0].maps.shape[2:]
    flat = (
        " This method has no spatial resolution: each frame has a single colour."
        if grid == (1, 1)
        else ""
    )
    both = " Both models share one scale." if len(attributions) > 1 else ""
    return f"{captions.HEAT}{both}{flat}"


def insertion_deletion(faithfulness: Faithfulness) -> str:
    """Result of insertion/deletion for this map, compared with random orders."""
    others = faithfulness.random_gains
    if faithfulness.gain > others.max():
        result = "**better than every random order**"
    elif faithfulness.gain > others.mean():
        result = "better than the average random order, but not than all of them"
    else:
        result = "**no better than random orders: do not rely on this map**"
    return (
        f"Insertion minus deletion is {signed(faithfulness.gain, 2)}; for {len(others)} random "
        f"orders it is {signed(others.mean(), 2)} on average ({signed(others.min(), 2)} to "
        f"{signed(others.max(), 2)}): {result}."
    )
