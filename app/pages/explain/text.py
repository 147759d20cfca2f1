"""Sentences and exports of the page Explain. Pure functions of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from app.ui.text import escape, snippet_word
from dsanet_core.records import (
    METHOD_NAMES,
    METHODS,
    Analysis,
    Attribution,
    Faithfulness,
    Method,
    Trust,
)
from dsanet_core.report import readings
from dsanet_core.report.attribution_text import lead as lead
from dsanet_core.report.attribution_text import strongest as strongest
from dsanet_core.report.attribution_text import trusted as trusted
from dsanet_core.text_format import seconds_range, signed

WHOLE_VIDEO = ""
CROPS = ("left or top", "middle", "right or bottom")
_METHODS: dict[Method, str] = {
    "integrated_gradients": "gradients gathered on the way from an empty video to this one; the "
    "shares of all pixels add up to the difference of the logit.",
    "grad_cam": "which places of the last features the category leans on; quick and coarse.",
    "occlusion": "how much the logit falls when a small piece of space and time is covered.",
    "ablation": "how much it falls without a frame or a snippet; says when, never where.",
}
METHODS_HELP = "\n".join(f"- {METHOD_NAMES[name]}: {what}" for name, what in _METHODS.items())


def not_offered(trust: Mapping[str, Mapping[Method, Trust]]) -> str:
    """Which methods are refused for which network, and why; "" where all are offered.

    trust: of `trust_of`, by the name of the network.
    """
    sentences = []
    for model, known in trust.items():
        for method in METHODS:
            if method in known and not known[method].is_offered:
                found = known[method]
                sentences.append(
                    f"{METHOD_NAMES[method]} is not offered for {escape(model)}: putting in what "
                    "it calls important, and taking it away, moves the answer no more than random "
                    f"orders do ({signed(found.gain, 2)} against "
                    f"{signed(found.random_gain, 2)} on {found.gain_videos} videos)."
                )
    return " ".join(sentences)


def level(analysis: Analysis, option: str) -> str:
    """What a choice of the level is called."""
    if option == WHOLE_VIDEO:
        return "The whole video"
    snippet = int(option) - 1
    seconds = analysis.pts_seconds[snippet]
    word = analysis.protocol.snippet_word.capitalize()
    return f"{word} {option}, {seconds_range(float(seconds.min()), float(seconds.max()))}"


def moment(analysis: Analysis, option: str) -> str:
    """What a choice of a frame is called; frames are counted through all snippets, from 1."""
    snippet, frame = place_of(analysis, option)
    seconds = f"{analysis.pts_seconds[snippet, frame]:.2f} s"
    if analysis.protocol.snippet_word == "frame":
        return f"Frame {option} · {seconds}"
    return f"Snippet {snippet + 1}, frame {frame + 1} · {seconds}"


def place_of(analysis: Analysis, option: str) -> tuple[int, int]:
    """Snippet and frame of a choice of a frame."""
    snippet, frame = divmod(int(option) - 1, analysis.protocol.sampling.frames_per_snippet)
    return snippet, frame


def same_moment(a: Analysis, b: Analysis, place: tuple[int, int]) -> tuple[int, int]:
    """The frame of the second that is nearest in time to one of the first."""
    if np.array_equal(a.frame_index, b.frame_index):
        return place
    apart = np.abs(b.pts_seconds - a.pts_seconds[place])
    snippet, frame = np.unravel_index(int(apart.argmin()), apart.shape)
    return int(snippet), int(frame)


def timeline_reading(analyses: Sequence[Analysis]) -> str:
    word = snippet_word(analyses)
    frames = (
        ""
        if all(analysis.protocol.snippet_word == "frame" for analysis in analyses)
        else " Below, the same for every frame of the video; one that several snippets saw has the "
        "sum of its shares."
    )
    return f"{readings.importance(word)}{frames}"


def heat_reading(attributions: Sequence[Attribution]) -> str:
    """How to read the maps."""
    grid = attributions[0].maps.shape[2:]
    flat = (
        " This method says nothing about places: a frame has one colour."
        if grid == (1, 1)
        else ""
    )
    both = " Both networks share the scale." if len(attributions) > 1 else ""
    return f"{readings.HEAT}{both}{flat}"


def tested(faithfulness: Faithfulness) -> str:
    """What the curves of this map say."""
    others = faithfulness.random_gains
    if faithfulness.gain > others.max():
        verdict = "**better than every random order**"
    elif faithfulness.gain > others.mean():
        verdict = "better than random orders on average, but not than all of them"
    else:
        verdict = "**no better than random orders: do not rely on this map**"
    return (
        f"Insertion minus deletion of this map is {signed(faithfulness.gain, 2)}, that of "
        f"{len(others)} random orders {signed(others.mean(), 2)} on average "
        f"({signed(others.min(), 2)} to {signed(others.max(), 2)}): {verdict}."
    )
